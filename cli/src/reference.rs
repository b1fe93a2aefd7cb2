//! `pmp-sync reference FOLDER`: what is generated of the documentation. A test compares it with what is
//! checked in.

mod command_line;
mod configuration;
mod events;

use std::path::Path;

use pmp_sync_domain::config;
use pmp_sync_domain::wire::catalogue;

use crate::commands::doctor;
use crate::failure::Failure;
use crate::{output, schemas};

/// Writes all of it into `docs`.
pub(crate) fn write(docs: &Path, command: clap::Command) -> Result<(), Failure> {
    for (name, text) in files(command)? {
        let path = docs.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        }
        std::fs::write(&path, text).map_err(Failure::file(&path))?;
    }
    Ok(())
}

/// Each file, by its path in `docs`.
fn files(command: clap::Command) -> Result<Vec<(String, String)>, Failure> {
    let config = config::schema();
    let mut files = vec![
        ("reference/cli.md".to_owned(), command_line::page(command)),
        (
            "config.md".to_owned(),
            configuration::page(config.as_value()),
        ),
        (
            "schemas/config.json".to_owned(),
            output::pretty(&config)? + "\n",
        ),
    ];
    for printed in schemas::ALL {
        let text = output::pretty(&(printed.schema)())? + "\n";
        files.push((format!("schemas/{}", printed.file()), text));
    }
    files.push(("doctor.md".to_owned(), doctor::documentation()));
    let kinds = catalogue::all();
    for kind in &kinds {
        let name = format!("schemas/events/{}.json", kind.file());
        files.push((name, output::pretty(&kind.schema)? + "\n"));
    }
    files.push(("events.md".to_owned(), events::page(&kinds)));
    Ok(files)
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
