//! Users and groups, from `/etc/passwd` and `/etc/group` alone: the program is linked statically, so that the name
//! services of the C library (LDAP and the like) cannot be asked.

use std::fs;
use std::io;
use std::path::Path;

/// A user, passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
    /// The home folder.
    pub home: String,
    /// The shell.
    pub shell: String,
}

/// A group, group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The number.
    pub gid: u32,
    /// The names of users that are in it beside those whose own it is.
    pub members: Vec<String>,
}

/// The accounts of a machine, as they were when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The users, in the order of the file.
    pub users: Vec<User>,
    /// The groups, in the order of the file.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Reads the accounts below `root`; a file that is missing has none. Lines that are no account are passed over.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(root: &Path) -> io::Result<Accounts> {
        let text = |file: &str| match fs::read(root.join(file)) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        };
        let (users, groups) = (text("etc/passwd")?, text("etc/group")?);
        Ok(Accounts {
            users: users.lines().filter_map(user).collect(),
            groups: groups.lines().filter_map(group).collect(),
        })
    }

    /// The user of this name or number. A number without an account stands for itself, with its own group.
    pub fn user(&self, name: &str) -> Option<User> {
        let number = name.parse::<u32>().ok();
        let known = self.users.iter().find(|user| user.name == name);
        let known = known.or_else(|| self.users.iter().find(|user| Some(user.uid) == number)).cloned();
        let bare = || {
            let (home, shell) = ("/".to_owned(), "/bin/sh".to_owned());
            Some(User { name: name.to_owned(), uid: number?, gid: number?, home, shell })
        };
        known.or_else(bare)
    }

    /// The number of the group of this name or number.
    pub fn gid(&self, name: &str) -> Option<u32> {
        let known = self.groups.iter().find(|group| group.name == name).map(|group| group.gid);
        known.or_else(|| name.parse().ok())
    }

    /// The numbers of the groups that list this user as a member.
    pub fn groups_of(&self, user: &str) -> Vec<u32> {
        let lists = |group: &&Group| group.members.iter().any(|member| member == user);
        self.groups.iter().filter(lists).map(|group| group.gid).collect()
    }
}

/// `name:password:uid:gid:comment:home:shell`.
fn user(line: &str) -> Option<User> {
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    if name.is_empty() {
        return None;
    }
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

/// `name:password:gid:member,member`.
fn group(line: &str) -> Option<Group> {
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, gid, members] = fields[..] else { return None };
    let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    (!name.is_empty()).then_some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_by_name_and_number() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n# no account\nweb:x:33:34:w:/srv::\nweb:x:33:34:w:/srv:\n";
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), "root:x:0:\ntty:x:5:web,op\nwww:x:34:\nx:y\n").unwrap();
        let accounts = Accounts::read(root.path()).unwrap();
        let web = accounts.user("web").unwrap();
        assert_eq!((web.uid, web.gid, web.home.as_str(), web.shell.as_str()), (33, 34, "/srv", "/bin/sh"));
        assert_eq!(accounts.user("33").unwrap(), web);
        assert_eq!(accounts.user("4711").map(|user| (user.uid, user.gid)), Some((4711, 4711)));
        assert_eq!(accounts.user("nobody"), None);
        let gids = ["tty", "www", "12", "none"].map(|name| accounts.gid(name));
        assert_eq!(gids, [Some(5), Some(34), Some(12), None]);
        assert_eq!(accounts.groups_of("web"), [5]);
        assert_eq!((accounts.users.len(), accounts.groups.len()), (2, 3));
        assert_eq!(Accounts::read(&root.path().join("etc")).unwrap(), Accounts::default());
    }
}
