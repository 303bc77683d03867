//! Where things are below the cluster's directory.

use std::path::{Path, PathBuf};

/// Paths of one cluster.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The cluster in `dir`, which must be absolute.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn label(&self) -> PathBuf {
        self.dir.join("eggsrun.json")
    }

    /// Who has joined and left since the cluster was made.
    pub fn crew(&self) -> PathBuf {
        self.dir.join("crew.json")
    }

    /// There when the supervisor is to look at the crew again.
    pub fn crew_changed(&self) -> PathBuf {
        self.run().join("crew.changed")
    }

    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    pub fn logs(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.dir.join("data").join(name)
    }

    pub fn secrets(&self) -> PathBuf {
        self.dir.join("secret")
    }

    pub fn cluster_secret(&self) -> PathBuf {
        self.secrets().join("cluster")
    }

    pub fn client_secret(&self) -> PathBuf {
        self.secrets().join("client")
    }

    pub fn default_mount(&self) -> PathBuf {
        self.dir.join("mnt")
    }

    pub fn pid(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.pid"))
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// There while a process is to stay dead.
    pub fn down(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.down"))
    }

    /// Held by the supervisor as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.run().join("eggsrun.lock")
    }

    /// What the supervisor is doing, in words, for `--daemon` and `status`.
    pub fn progress(&self) -> PathBuf {
        self.run().join("progress")
    }

    /// How the running cluster was started.
    pub fn current(&self) -> PathBuf {
        self.run().join("current.json")
    }

    /// Written by eggsfuse once the mount answers.
    pub fn mounted(&self) -> PathBuf {
        self.run().join("mounted")
    }
}
