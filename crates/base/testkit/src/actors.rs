//! Parts that behave as told, and a node of them: for tests of whoever runs parts, or decides about them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perigee_part::http::{Limits, Listeners};
use perigee_part::metrics::Registry;
use perigee_part::node::{AdminConfig, Wire};
use perigee_part::{Context, Node, Part, Running, Services};
use tokio::time::sleep;

/// What has happened to actors, in order.
pub type Journal = Arc<Mutex<Vec<String>>>;

/// A part that writes down what happens to it and behaves as told.
struct Actor {
    name: &'static str,
    journal: Journal,
    run: fn(Context, u32) -> Running,
    life: u32,
}

impl Part for Actor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            let (name, life) = (self.name, self.life);
            self.journal.lock().unwrap().push(format!("{name}{life} runs"));
            let ended = (self.run)(context, life).await;
            self.journal.lock().unwrap().push(format!("{name}{life} ends"));
            ended
        })
    }
}

/// Ready at once; drains when it is asked to.
pub fn steady(context: Context, _: u32) -> Running {
    Box::pin(async move {
        context.ready();
        context.drain.cancelled().await;
        Ok(())
    })
}

/// Panics twice, a moment after it is ready; then it is steady.
pub fn panics_at_first(context: Context, life: u32) -> Running {
    Box::pin(async move {
        context.ready();
        if life < 3 {
            sleep(Duration::from_millis(20)).await;
            panic!("life {life} is over");
        }
        context.drain.cancelled().await;
        Ok(())
    })
}

/// Ready at once, and deaf.
pub fn never_drains(context: Context, _: u32) -> Running {
    Box::pin(async move {
        context.ready();
        std::future::pending().await
    })
}

/// A node without parts, what it lends them, and the journal of those that it will have.
pub fn node(grace: Duration) -> (Node, Services, Journal) {
    let services = Services {
        http: Listeners::new(Limits::default()),
        metrics: Registry::new(),
        state: "/nonexistent".into(),
    };
    let admin = AdminConfig { listen: ([127, 0, 0, 1], 0).into() };
    (Node::new(services.clone(), &admin, grace).unwrap(), services, Journal::default())
}

/// Adds an actor that takes the handles of `needs`; its own handle is its life.
pub fn add(
    node: &mut Node,
    journal: &Journal,
    name: &'static str,
    run: fn(Context, u32) -> Running,
    needs: &[&Wire<u32>],
) -> Wire<u32> {
    let lives = AtomicU32::new(0);
    let (journal, needs) =
        (Arc::clone(journal), needs.iter().map(|wire| (*wire).clone()).collect::<Vec<_>>());
    node.add(name, move |site| {
        let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
        site.services().metrics.counter("lives", "Lives begun").inc();
        for wire in &needs {
            let of_neighbour = site.handle(wire);
            journal.lock().unwrap().push(format!("{name}{life} holds {of_neighbour}"));
        }
        let part = Actor { name, journal: Arc::clone(&journal), run, life };
        Ok((Box::new(part) as Box<dyn Part>, life))
    })
    .unwrap()
}
