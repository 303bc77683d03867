//! Creates, stats, listings and directories through the library.

use std::time::Duration;

use anyhow::Result;
use eggs_client::Client;
use eggs_harness::Cluster;

use crate::outcome::LateTables;
use crate::report::Report;
use crate::round::Round;
use crate::works::{Places, Work};

/// Part of what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MetaPart {
    /// What the machine can do at most.
    Limits,
    /// What doing nothing costs.
    Idle,
    /// Files, in many directories and in one.
    Creates,
    /// Attributes and names.
    Reads,
    /// Directories in one directory.
    Directories,
    /// Files that move between two directories.
    Renames,
    /// A directory, with attributes.
    Listing,
    /// One directory, by its leader and by any replica.
    Replicas,
}

impl MetaPart {
    /// What is done for it by many clients.
    pub const fn works(self) -> &'static [Work] {
        match self {
            Self::Limits | Self::Idle | Self::Replicas => &[],
            Self::Creates => &[Work::CreateSpread, Work::CreateInOne],
            Self::Reads => &[Work::Stat, Work::Lookup],
            Self::Directories => &[Work::MakeDirectory],
            Self::Renames => &[Work::Rename],
            Self::Listing => &[Work::List],
        }
    }

    /// What is done for it besides if there is a crowd of files.
    pub const fn works_in_crowd(self) -> &'static [Work] {
        match self {
            Self::Reads => &[Work::LookupDrawn],
            _ => &[],
        }
    }

    /// Whether it is done once for each number of clients.
    const fn is_for_each_number(self) -> bool {
        matches!(self, Self::Creates | Self::Reads)
    }
}

/// What is measured.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub cluster: &'a Cluster,
    /// Libraries with connections of their own.
    pub machines: &'a [Client],
    /// For each figure.
    pub bound: Duration,
    /// Operations in flight, one round for each number.
    pub clients: &'a [usize],
    /// Directories that the work is spread over.
    pub directories: usize,
    /// What of it.
    pub parts: &'a [MetaPart],
}

impl<'a> Plan<'a> {
    /// All that is done.
    pub fn works(&self) -> Vec<Work> {
        let works = self.parts.iter().flat_map(|part| part.works());
        works.copied().collect()
    }

    /// All that is done if there is a crowd of files.
    pub fn works_in_crowd(&self) -> Vec<Work> {
        let works = |part: &MetaPart| part.works().iter().chain(part.works_in_crowd());
        self.parts.iter().flat_map(works).copied().collect()
    }

    /// Makes the directories and files that are worked on.
    pub async fn places(&self) -> Result<Places> {
        Places::make(&self.machines[0], "", self.directories, &self.works()).await
    }

    /// Measures everything; leaves its files behind.
    pub async fn measure(&self, places: &Places, report: &mut Report) -> Result<()> {
        for part in self.parts {
            let for_all = [self.clients_at_most()];
            let numbers = match part.is_for_each_number() {
                true => self.clients,
                false => &for_all[..],
            };
            for clients in numbers {
                for work in part.works() {
                    let what = format!("{}, {}", work.name(places.directories()), plural(*clients));
                    let done = places.run(*work, self.round(*clients)).await?;
                    done.tell(&what, work.unit(), report);
                }
            }
        }
        Ok(())
    }

    /// For what is done with one number of clients only.
    pub fn clients_at_most(&self) -> usize {
        self.clients.iter().max().map_or(1, |most| *most.min(&64))
    }

    /// A round with so many clients.
    pub const fn round(&self, clients: usize) -> Round<'a> {
        Round {
            cluster: self.cluster,
            machines: self.machines,
            bound: self.bound,
            clients,
            late_tables: LateTables::Left,
        }
    }
}

fn plural(clients: usize) -> String {
    match clients {
        1 => "1 client".into(),
        many => format!("{many} clients"),
    }
}
