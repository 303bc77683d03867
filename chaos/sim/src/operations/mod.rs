//! What clients do. Where and with what follows from the dice of the plan and from what there is at that moment.

mod cheat;
mod data;
mod heal;
mod juggle;
mod meddle;
mod names;
mod policies;
mod reads;
mod undelete;
mod xattrs;

use std::cell::RefCell;
use std::rc::Rc;

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::PlacedBlock;
use eggs_proto::{InodeId, Name, NewAttributes};

use crate::client::{Client, Failure, Outcome};
use crate::coverage::label;
use crate::plan::{NAMES, Operation};
use crate::random::Random;

/// How long most operations may take, in seconds.
const PATIENCE_S: u64 = 40;

/// Attributes of everything that is made.
pub(crate) const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o755,
    uid: 1,
    gid: 2,
    mtime: None,
    atime: None,
};

/// Does one operation of the plan.
pub(crate) async fn operate(client: Rc<Client>, operation: Operation, dice: u64) {
    let act = Act {
        client: client.clone(),
        deadline_us: client.deadline(PATIENCE_S),
        placed: RefCell::default(),
    };
    let mut random = Random::new(dice);
    let outcome = act.run(operation, &mut random).await;
    client.sim.with(|world| {
        world.open_operations -= 1;
        let how = match &outcome {
            Ok(()) => "done".to_owned(),
            Err(Failure::Refused(refusal)) => format!("refused: {}", label(refusal)),
            Err(Failure::Block(refusal)) => format!("block refused: {}", label(refusal)),
            Err(Failure::TooLate) => "too late".to_owned(),
        };
        if world.trace.is_verbose() {
            let text = format!("operation {operation:?} of {}: {how}", client.node);
            world.trace.say(world.now_us, &text);
        }
        world.coverage.hit(format!("client: {operation:?} {how}"));
    });
}

/// One operation under way.
struct Act {
    client: Rc<Client>,
    deadline_us: u64,
    /// Blocks that it was permitted to write.
    placed: RefCell<Vec<PlacedBlock>>,
}

impl Act {
    async fn run(&self, operation: Operation, random: &mut Random) -> Outcome<()> {
        match operation {
            Operation::CreateFile => self.create_file(random).await,
            Operation::WriteFile => self.write_file(random).await,
            Operation::Symlink => self.symlink(random).await,
            Operation::Unlink => self.unlink(random).await,
            Operation::RenameHere => self.rename_here(random).await,
            Operation::MakeDirectory => self.make_directory(random).await,
            Operation::RemoveDirectory => self.remove_directory(random).await,
            Operation::Move => self.move_anything(random).await,
            Operation::Lookup => self.lookup(random).await,
            Operation::List => self.list(random).await,
            Operation::Read => self.read(random).await,
            Operation::SetAttributes => self.set_attributes(random).await,
            Operation::SetPolicy => self.set_policy(random).await,
            Operation::SetService => self.set_service(random).await,
            Operation::Meddle => self.meddle(random).await,
            Operation::Undelete => self.undelete(random).await,
            Operation::JuggleOver => self.juggle_over(random).await,
            Operation::JuggleUnder => self.juggle_under(random).await,
            Operation::Heal => self.heal(random).await,
            Operation::Cheat => self.cheat(random).await,
            Operation::Xattrs => self.xattrs(random).await,
        }
    }

    /// A directory, seldom one that is gone.
    fn directory(&self, random: &mut Random) -> InodeId {
        self.client.sim.with(|world| {
            let all = &world.oracle.names.directories;
            let gone = random.permille(60);
            let fits = |(dir, known): (&InodeId, &crate::oracle::Directory)| {
                (gone || !known.removed).then_some(*dir)
            };
            let some: Vec<InodeId> = all.iter().filter_map(fits).collect();
            random.pick(&some).unwrap_or(InodeId::ROOT)
        })
    }

    /// Any name in any directory.
    fn any_entry(&self, random: &mut Random) -> EntryName {
        let dir = self.directory(random);
        EntryName {
            dir,
            name: any_name(random),
        }
    }

    /// Mostly a name that there is.
    fn known_entry(&self, random: &mut Random, wanted: fn(InodeId) -> bool) -> EntryName {
        if random.permille(120) {
            return self.any_entry(random);
        }
        let known = self.client.sim.with(|world| {
            let places = world.oracle.names.places.iter();
            let fits = places.filter(|(inode, _)| wanted(**inode));
            let entries: Vec<EntryName> = fits.map(|(_, entry)| entry.clone()).collect();
            random.pick(&entries)
        });
        known.unwrap_or_else(|| self.any_entry(random))
    }
}

fn any_name(random: &mut Random) -> Name {
    let text = random.pick(&NAMES).unwrap_or("a");
    Name::new(text).expect("the list holds good names")
}
