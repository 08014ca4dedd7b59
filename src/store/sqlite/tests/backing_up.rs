//! Copies of the books beside a guard that writes, and the way back.

use sqlx::Connection;

use super::*;
use crate::store::sqlite::{BackupError, backup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_while_the_guard_writes_and_opens_with_its_balances() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    for number in 0..50 {
        grant(&books, number, vec![claim("org", 1, 1000)]).await;
    }
    let writing = tokio::spawn({
        let books = books.clone();
        async move {
            for number in 50..150 {
                grant(&books, number, vec![claim("org", 1, 1000)]).await;
            }
        }
    });
    let to = folder.path().join("copy.db");
    let copy = backup(&file(&folder), &to).await.unwrap();
    writing.await.unwrap();
    assert!((50..=150).contains(&copy.lines), "{copy:?}");
    assert_eq!(copy.bytes, std::fs::metadata(&to).unwrap().len());

    // the way back: the copy in the place of the books
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(&to, file(&elsewhere)).unwrap();
    let (restored, in_doubt) = open_in_doubt(&elsewhere).await;
    assert_eq!(in_doubt, copy.lines, "what was under way then is in doubt");
    let balance = restored.balance(&account("org")).await.unwrap();
    assert_eq!(balance.unknown, units(copy.lines));
}

#[tokio::test]
async fn a_backup_takes_no_other_files_place() {
    let (store, folder) = empty_store().await;
    let to = folder.path().join("copy.db");
    std::fs::write(&to, "yesterday's").unwrap();
    let refused = backup(&file(&folder), &to).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "yesterday's");
    let itself = backup(&file(&folder), &file(&folder)).await.unwrap_err();
    assert!(matches!(itself, BackupError::Exists { .. }), "{itself}");
    let_go(store).await;
}

#[tokio::test]
async fn what_cannot_be_copied_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    backup(&file(&folder), &to).await.unwrap_err();
    std::fs::write(file(&folder), "a letter ".repeat(99)).unwrap();
    let refused = backup(&file(&folder), &to).await.unwrap_err();
    assert!(refused.to_string().contains("is not a store"), "{refused}");
    let nowhere = folder.path().join("no/such/folder/copy.db");
    let (store, other) = empty_store().await;
    let refused = backup(&file(&other), &nowhere).await.unwrap_err();
    assert!(
        matches!(refused, BackupError::Unwritable { .. }),
        "{refused}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let_go(store).await;
}

#[tokio::test]
async fn a_damaged_store_gives_no_backup() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    for number in 0..200 {
        grant(&books, number, vec![claim("org", 1, 1000)]).await;
    }
    drop(books);
    let_go(store).await;
    let mut writer = behind_its_back(&folder).await;
    let all_in_one_file = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
    all_in_one_file.execute(&mut writer).await.unwrap();
    writer.close().await.unwrap();
    let mut bytes = std::fs::read(file(&folder)).unwrap();
    let page = 4096;
    assert!(bytes.len() > 12 * page, "{} bytes", bytes.len());
    for byte in &mut bytes[6 * page..] {
        *byte = 0xa5;
    }
    std::fs::write(file(&folder), bytes).unwrap();
    let to = folder.path().join("copy.db");
    let refused = backup(&file(&folder), &to).await.unwrap_err();
    assert!(!to.exists(), "{refused}");
}
