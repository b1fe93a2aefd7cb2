//! Messages of the TOML parser, rewritten without the names of Rust types.

/// Rewrites a message without the names of types.
pub(super) fn plain(message: &str) -> String {
    let told = message.trim_end();
    let mismatch = told
        .strip_prefix("invalid type: ")
        .or_else(|| told.strip_prefix("invalid value: "));
    if let Some((found, wanted)) = mismatch.and_then(|rest| rest.split_once(", expected ")) {
        return format!("{} is expected, not {}", expected(wanted), is(found));
    }
    if let Some(name) = told.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    let unknown = told
        .strip_prefix("unknown field ")
        .or_else(|| told.strip_prefix("unknown variant "));
    if let Some((name, known)) = unknown.and_then(|rest| rest.split_once(", expected ")) {
        let are = match known.strip_prefix("one of ") {
            Some(several) => format!("are {several}"),
            // For two values serde says "`a` or `b`".
            None if known.contains(" or ") => format!("are {}", known.replace(" or ", ", ")),
            None => format!("is {known}"),
        };
        return format!("{name} is not known here; known {are}");
    }
    told.to_owned()
}

fn expected(what: &str) -> &str {
    match what {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number from 0 on",
        "a string" | "string or table" => "text in quotes",
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        "a boolean" => "true or false",
        other => other,
    }
}

fn is(what: &str) -> String {
    match what {
        "map" => return "a table".to_owned(),
        "sequence" => return "a list".to_owned(),
        _ => {}
    }
    if let Some(text) = what.strip_prefix("string ") {
        return format!("the text {text}");
    }
    // For example: integer `-1`, floating point `1.5`, boolean `true`.
    match what.split_once('`') {
        Some((_, value)) => value.trim_end_matches('`').to_owned(),
        None => what.to_owned(),
    }
}
