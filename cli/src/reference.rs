//! `pmp-sync reference FOLDER`: what is generated of the documentation. A test compares it with what is
//! checked in.

use std::path::Path;

use crate::failure::Failure;
use crate::{doctor, schemas};

/// Writes all of it into `docs`.
pub(crate) fn write(docs: &Path) -> Result<(), Failure> {
    for (name, text) in files()? {
        let path = docs.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        }
        std::fs::write(&path, text).map_err(Failure::file(&path))?;
    }
    Ok(())
}

/// Each file, by its path in `docs`.
fn files() -> Result<Vec<(String, String)>, Failure> {
    let mut files = Vec::new();
    for printed in schemas::ALL {
        let name = format!("schemas/{}", printed.file());
        let text = serde_json::to_string_pretty(&(printed.schema)())
            .map_err(|error| Failure::file(Path::new(&name))(error.into()))?;
        files.push((name, text + "\n"));
    }
    files.push(("doctor.md".to_owned(), doctor::documentation()));
    Ok(files)
}
