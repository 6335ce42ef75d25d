//! `perigee account`: accounts and API tokens, also while the station runs.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use perigee_access::{Access, Role};

use crate::configuration::Sources;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List accounts
    List,
    /// Add an account and print its one-time password
    Add {
        /// Name: a-z, 0-9, dot, underscore, hyphen
        name: String,
        /// observer, operator, commander or admin
        #[arg(long, default_value = "observer")]
        role: Role,
    },
    /// Remove an account with its tokens
    Remove {
        /// Name of the account
        name: String,
    },
    /// Give an account another role
    Role {
        /// Name of the account
        name: String,
        /// observer, operator, commander or admin
        role: Role,
    },
    /// Replace a forgotten password by a one-time password, which is printed
    ResetPassword {
        /// Name of the account
        name: String,
    },
    /// Manage API tokens
    #[command(subcommand)]
    Token(TokenVerb),
}

#[derive(Subcommand)]
enum TokenVerb {
    /// List tokens; the tokens themselves are not kept
    List,
    /// Make a token and print it
    Create {
        /// The account that it speaks for
        account: String,
        /// What it is for
        label: String,
        /// What it may do, at most what its account may
        #[arg(long, default_value = "observer")]
        role: Role,
        /// Days until it ends; left out: it does not
        #[arg(long)]
        days: Option<u64>,
    },
    /// Make a token useless
    Revoke {
        /// The account that it speaks for
        account: String,
        /// What it was for
        label: String,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (configuration, _) = arguments.sources.read()?;
    let access = Access::open(&configuration.node.state, &configuration.access)?;
    let mut out = stdout().lock();
    let who = who();
    match &arguments.verb {
        Verb::List => {
            for account in access.accounts()? {
                let note = if account.must_change_password { "  one-time password" } else { "" };
                writeln!(out, "{:<20} {:<10}{note}", account.name, account.role)?;
            }
        }
        Verb::Add { name, role } => {
            let password = access.add(&who, name, *role)?;
            writeln!(out, "{}", password.expose())?;
            eprintln!("{name} is {role}; this one-time password is shown only now");
        }
        Verb::Remove { name } => access.remove(&who, name)?,
        Verb::Role { name, role } => access.set_role(&who, name, *role)?,
        Verb::ResetPassword { name } => {
            let password = access.reset_password(&who, name)?;
            writeln!(out, "{}", password.expose())?;
            eprintln!("this one-time password of {name} is shown only now");
        }
        Verb::Token(TokenVerb::List) => {
            for token in access.tokens()? {
                writeln!(out, "{:<20} {:<20} {:<10}", token.account, token.label, token.role)?;
            }
        }
        Verb::Token(TokenVerb::Create { account, label, role, days }) => {
            let lifetime = days.map(|days| Duration::from_secs(days.saturating_mul(86_400)));
            let token = access.create_token(&who, account, label, *role, lifetime)?;
            writeln!(out, "{}", token.expose())?;
            eprintln!("send it as `Authorization: Bearer TOKEN`; it is shown only now");
        }
        Verb::Token(TokenVerb::Revoke { account, label }) => access.revoke_token(&who, account, label)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who is at the keyboard, for the audit record.
fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    match user {
        Some(user) => format!("command line ({user})"),
        None => format!("command line (uid {})", nix::unistd::getuid()),
    }
}
