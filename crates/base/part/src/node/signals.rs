//! SIGTERM and SIGINT: the first asks the node to stop, the second ends it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT; from then on a second one ends the process with the status
/// that a shell gives to a process killed by that signal.
pub async fn stop_on_signals() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = either(&mut terminate, &mut interrupt).await.0;
    tracing::info!(target: "node", signal = name, "stopping");
    tokio::spawn(async move {
        let (name, number) = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(target: "node", signal = name, "ended at once");
        std::process::exit(128 + number);
    });
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}
