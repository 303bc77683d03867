//! What a process may use.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files as far as it goes, and returns it (`None`: there is none).
/// A server has a file per block being read and one per connection.
pub fn raise_file_limit() -> std::io::Result<Option<u64>> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_maximum() {
        let raised = raise_file_limit().unwrap();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(now.current, raised);
    }
}
