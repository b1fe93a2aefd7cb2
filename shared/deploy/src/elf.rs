//! Whether a binary can run on `provided.al2023`: its architecture, and the glibc that it needs.
//! Pure.

use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64, VER_FLG_WEAK};
use object::read::elf::FileHeader as _;

/// The glibc of Amazon Linux 2023.
const GLIBC: (u32, u32) = (2, 34);

/// The processor architecture: the templates' parameter `Architecture`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`
    X86_64,
    /// `arm64`
    Arm64,
}

impl Architecture {
    /// Parses the word of the templates.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "x86_64" => Some(Self::X86_64),
            "arm64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// The word in the templates.
    pub fn word(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Why a binary cannot run on Lambda.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it is no 64-bit Linux program")]
    NotElf,
    #[error("it is built for {0}, and the function is to be {1}")]
    Architecture(&'static str, &'static str),
    #[error("it needs glibc {0}.{1}; Lambda's provided.al2023 has 2.34")]
    Glibc(u32, u32),
}

/// Checks a binary.
pub(crate) fn check(binary: &[u8], wanted: Architecture) -> Result<(), Unfit> {
    let broken = |_: object::Error| Unfit::NotElf;
    let header = FileHeader64::<Endianness>::parse(binary).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    let found = match header.e_machine(endian) {
        EM_X86_64 => Architecture::X86_64,
        EM_AARCH64 => Architecture::Arm64,
        _ => return Err(Unfit::Architecture("another processor", wanted.word())),
    };
    if found != wanted {
        return Err(Unfit::Architecture(found.word(), wanted.word()));
    }
    let newest = newest_glibc(header, endian, binary).map_err(broken)?;
    match newest {
        Some(version) if version > GLIBC => Err(Unfit::Glibc(version.0, version.1)),
        _ => Ok(()),
    }
}

/// The newest version of glibc that it requires. None if it is linked statically.
fn newest_glibc(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    binary: &[u8],
) -> Result<Option<(u32, u32)>, object::Error> {
    let sections = header.sections(endian, binary)?;
    let Some((mut needs, strings)) = sections.gnu_verneed(endian, binary)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, binary, strings)?;
    let mut newest = None;
    while let Some((_, mut versions)) = needs.next()? {
        while let Some(version) = versions.next()? {
            // A weak symbol is not required.
            if version.vna_flags.get(endian) & VER_FLG_WEAK != VER_FLG_WEAK {
                newest = newest.max(parse(version.name(endian, strings)?));
            }
        }
    }
    Ok(newest)
}

/// Parses names such as `GLIBC_2.34`. Other names are not of glibc.
fn parse(name: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binary of this test, which is a program for this machine.
    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn machine() -> (Architecture, Architecture) {
        match std::env::consts::ARCH {
            "aarch64" => (Architecture::Arm64, Architecture::X86_64),
            _ => (Architecture::X86_64, Architecture::Arm64),
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse(b"GLIBC_2.34"), Some((2, 34)));
        assert_eq!(parse(b"GLIBC_2.2.5"), Some((2, 2)));
        assert!(parse(b"GLIBC_2.9") < parse(b"GLIBC_2.34"));
        for other in [&b"GCC_3.0"[..], b"GLIBC_PRIVATE", b"GLIBC_2", b"\xff"] {
            assert_eq!(parse(other), None);
        }
    }

    #[test]
    fn the_wrong_architecture_is_refused() {
        let (own_one, other) = machine();
        let expected = Unfit::Architecture(own_one.word(), other.word());
        assert_eq!(check(&own(), other), Err(expected));
    }

    #[test]
    fn a_glibc_that_is_too_new_is_refused() {
        let mut binary = own();
        let (own_one, _) = machine();
        // The test needs some version of glibc. It is replaced by one that does not exist yet.
        let at = binary.windows(11).position(|name| {
            name.starts_with(b"\0GLIBC_2.") && name[9..].iter().all(u8::is_ascii_digit)
        });
        let at = at.expect("this test is linked to glibc") + 9;
        binary[at..at + 2].copy_from_slice(b"99");
        assert_eq!(check(&binary, own_one), Err(Unfit::Glibc(2, 99)));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let mut cut = own();
        cut.truncate(70);
        for wrong in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01", &cut] {
            assert_eq!(check(wrong, machine().0), Err(Unfit::NotElf));
        }
    }
}
