//! The repository directory: files, key store, lock.

use merkury_core::ErrorKind;
use merkury_store::{Holder, Repo, RepoError};

#[test]
fn init_makes_what_other_programs_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::at(dir.path().join("ipfs"));
    assert!(!repo.is_initialised());
    assert!(matches!(repo.read_config(), Err(RepoError::NotFound { .. })));
    repo.init("{\"a\": 1}").unwrap();
    assert!(repo.is_initialised());
    repo.check_version().unwrap();
    assert_eq!(std::fs::read_to_string(repo.path().join("version")).unwrap().trim(), "18");
    assert_eq!(repo.read_config().unwrap(), "{\"a\": 1}");
    assert!(matches!(repo.init("{}"), Err(RepoError::Exists { .. })));
    repo.write_config("{\"a\": 2}").unwrap();
    assert_eq!(repo.read_config().unwrap(), "{\"a\": 2}");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(repo.path().join("config")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(repo.path().join("version"), "12\n").unwrap();
    assert!(matches!(repo.check_version(), Err(RepoError::Version { .. })));
    let names: Vec<_> = std::fs::read_dir(repo.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
}

#[test]
fn addresses_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::at(dir.path());
    assert_eq!(repo.api_address().unwrap(), None);
    repo.write_api_address("/ip4/127.0.0.1/tcp/5001").unwrap();
    repo.write_gateway_address("http://127.0.0.1:8080").unwrap();
    assert_eq!(repo.api_address().unwrap().as_deref(), Some("/ip4/127.0.0.1/tcp/5001"));
    assert_eq!(repo.gateway_address().unwrap().as_deref(), Some("http://127.0.0.1:8080"));
    repo.remove_api_address().unwrap();
    repo.remove_api_address().unwrap();
    assert_eq!(repo.api_address().unwrap(), None);
}

#[test]
fn the_second_user_is_told_who_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::at(dir.path());
    let lock = repo.lock().unwrap();
    match repo.lock() {
        Err(error @ RepoError::Locked { holder: Holder::ThisProcess, .. }) => {
            assert_eq!(error.kind(), ErrorKind::Busy);
        }
        other => panic!("{other:?}"),
    }
    drop(lock);
    // The lock file stays empty, for Kubo refuses one that is not.
    assert_eq!(std::fs::metadata(dir.path().join("repo.lock")).unwrap().len(), 0);
    let _lock = repo.lock().unwrap();
}

/// Run by the next test in a process of its own: tries the lock, says what came of it.
#[test]
fn helper_second_process() {
    let Some(path) = std::env::var_os("STORE_TEST_LOCK") else { return };
    match Repo::at(path).lock() {
        Err(RepoError::Locked { holder: Holder::Process { pid, command, age_secs }, .. }) => {
            assert!(command.starts_with("it-") && age_secs.is_some_and(|age| age < 3600), "{command:?} {age_secs:?}");
            std::process::exit((pid % 200) as i32 + 10)
        }
        Err(_) => std::process::exit(2),
        Ok(_lock) => std::process::exit(3),
    }
}

#[test]
fn another_process_is_kept_out_and_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "repo::helper_second_process"]).env("STORE_TEST_LOCK", dir.path());
        command.output().unwrap().status.code()
    };
    let lock = Repo::at(dir.path()).lock().unwrap();
    assert_eq!(run(), Some((std::process::id() % 200) as i32 + 10));
    drop(lock);
    assert_eq!(run(), Some(3), "a lock whose holder is gone does not block");
    assert_eq!(run(), Some(3), "nor one whose holder went without dropping it");
}

#[test]
fn keys_have_kubo_s_names() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Repo::at(dir.path()).keystore();
    assert_eq!(keys.list().unwrap(), Vec::<String>::new());
    keys.put("my key", b"secret").unwrap();
    assert!(dir.path().join("keystore/key_nv4sa23fpe").exists());
    assert_eq!(keys.put("my key", b"other").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(keys.get("my key").unwrap(), b"secret");
    keys.put("b", b"2").unwrap();
    std::fs::write(dir.path().join("keystore/other"), "x").unwrap();
    assert_eq!(keys.list().unwrap(), ["b", "my key"]);
    assert_eq!(keys.rename("b", "my key", false).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(keys.rename("b", "my key", true).unwrap());
    assert_eq!(keys.get("my key").unwrap(), b"2");
    assert_eq!(keys.rename("b", "c", true).unwrap_err().kind(), ErrorKind::NotFound);
    keys.remove("my key").unwrap();
    assert_eq!(keys.remove("my key").unwrap_err().kind(), ErrorKind::NotFound);
    for name in ["", &"x".repeat(157)] {
        assert_eq!(keys.put(name, b"").unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
    keys.put("../up", b"3").unwrap();
    assert!(keys.list().unwrap().contains(&"../up".to_owned()), "a slash is a letter like any other");
}
