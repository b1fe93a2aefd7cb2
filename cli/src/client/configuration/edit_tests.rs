use super::*;

const TEXT: &str = r#"# ours
schema = 1

[guard]
removals = 20 # a lot

# the first
[[member]]
name = "emea"
account = "222222222222"
external_id = "of-emea"

[[member]]
name = "apac" # far away
account = "333333333333"
external_id = "of-apac"

# links
[[link]]
management_experience = "exp-source"
member = "emea"
member_experience = "exp-emea"
mode = "observe" # for now
protect = [
    "prod-1", # the one
]

[[link]]
management_experience = "exp-source"
member = "apac"
member_experience = "*"
guard = { removals = 40 }
# the end
"#;

fn new(name: &str, account: &str) -> NewMember {
    NewMember {
        name: name.parse().unwrap(),
        account: account.parse().unwrap(),
        external_id: format!("of-{name}").parse().unwrap(),
        sources: None,
        target: None,
        mode: None,
        default_target: Target::EveryLive,
    }
}

fn changed(edit: Result<Edit, EditError>) -> String {
    match edit.unwrap() {
        Edit::Changed(text) => text,
        Edit::Same => panic!("nothing changed"),
    }
}

fn one(id: &str) -> Target {
    Target::One(id.parse().unwrap())
}

/// The lines of one text that are not in the other.
fn without(text: &str, other: &str) -> Vec<String> {
    let mut rest: Vec<_> = other.lines().collect();
    let mut left = Vec::new();
    for line in text.lines() {
        match rest.iter().position(|known| *known == line) {
            Some(at) => drop(rest.remove(at)),
            None => left.push(line.to_owned()),
        }
    }
    left
}

#[test]
fn a_member_comes_with_a_link_and_every_line_stays() {
    let text = changed(add(Some(TEXT), &new("latam", "444444444444")));
    assert_eq!(without(TEXT, &text), [""; 0]);
    let expected = [
        "[[member]]",
        "name = \"latam\"",
        "account = \"444444444444\"",
        "external_id = \"of-latam\"",
        "",
        "",
        "[[link]]",
        "management_experience = \"exp-source\"",
        "member = \"latam\"",
        "member_experience = \"*\"",
        "mode = \"observe\"",
    ];
    let mut came = without(&text, TEXT);
    let mut wanted: Vec<_> = expected.map(str::to_owned).into();
    came.sort();
    wanted.sort();
    assert_eq!(came, wanted);
    // Members stay with members.
    let place = |part: &str| text.find(part).unwrap();
    assert!(place("\"latam\"\naccount") < place("# links"), "{text}");
    assert!(text.ends_with("# the end\n"), "{text}");
}

#[test]
fn the_first_member_makes_the_configuration() {
    let mut member = new("emea", "222222222222");
    let missing = add(None, &member).unwrap_err();
    assert!(
        matches!(missing, EditError::WhichManagementExperience(_)),
        "{missing}"
    );
    member.sources = Some("exp-source".parse().unwrap());
    member.target = Some(one("exp-emea"));
    member.mode = Some(Mode::Mirror);
    let text = changed(add(None, &member));
    let expected = r#"schema = 1

[[member]]
name = "emea"
account = "222222222222"
external_id = "of-emea"

[[link]]
management_experience = "exp-source"
member = "emea"
member_experience = "exp-emea"
mode = "mirror"
"#;
    assert_eq!(text, expected);
}

#[test]
fn what_is_there_already_is_done_and_what_differs_is_told() {
    let same = |change: fn(&mut NewMember)| {
        let mut member = new("emea", "222222222222");
        change(&mut member);
        add(Some(TEXT), &member)
    };
    assert_eq!(same(|_| {}).unwrap(), Edit::Same);
    let all = |member: &mut NewMember| {
        member.target = Some(one("exp-emea"));
        member.mode = Some(Mode::Observe);
        member.sources = Some("exp-source".parse().unwrap());
    };
    assert_eq!(same(all).unwrap(), Edit::Same);
    let told = |change: fn(&mut NewMember)| same(change).unwrap_err().to_string();
    for (words, difference) in [
        (
            told(|member| member.account = "999999999999".parse().unwrap()),
            "account 222222222222, not 999999999999",
        ),
        (
            told(|member| member.external_id = "another".parse().unwrap()),
            "external id of its own",
        ),
        (
            told(|member| member.target = Some(one("exp-other"))),
            "its link is for exp-emea, not exp-other",
        ),
        (
            told(|member| member.mode = Some(Mode::Mirror)),
            "mode observe, not mirror",
        ),
        (
            told(|member| member.sources = Some("exp-x".parse().unwrap())),
            "it follows exp-source, not exp-x",
        ),
    ] {
        assert!(words.contains(difference), "{words}");
        assert!(!words.contains("of-emea"), "{words}");
    }
}

#[test]
fn a_member_without_a_link_gets_one() {
    let (text, _) = TEXT.split_once("# links").unwrap();
    let mut member = new("emea", "222222222222");
    member.sources = Some("exp-source".parse().unwrap());
    let text = changed(add(Some(text), &member));
    let config = Config::parse(&text).unwrap();
    assert_eq!((config.members.len(), config.links.len()), (2, 1));
}

#[test]
fn which_management_experience_is_meant_has_to_be_said_when_there_are_several() {
    let text = TEXT.replacen("exp-source", "exp-second", 1);
    let mut member = new("latam", "444444444444");
    let told = add(Some(&text), &member).unwrap_err().to_string();
    assert!(told.contains("exp-second; exp-source"), "{told}");
    member.sources = Some("exp-second".parse().unwrap());
    changed(add(Some(&text), &member));
}

#[test]
fn a_new_member_follows_what_all_the_others_follow_or_what_is_given() {
    let several = "management_experiences = [\"exp-base\", \"exp-regional\"]\nconflict = \"allow\"";
    let text = TEXT.replace("management_experience = \"exp-source\"", several);
    let mut member = new("latam", "444444444444");
    let after = Config::parse(&changed(add(Some(&text), &member))).unwrap();
    let link = after.links.last().unwrap();
    assert_eq!(link.sources.to_string(), "exp-base, exp-regional");
    assert_eq!(link.conflict, Conflict::Allow);
    member.sources = Some("exp-base, exp-latam".parse().unwrap());
    let after = changed(add(Some(&text), &member));
    let link = Config::parse(&after).unwrap().links.pop().unwrap();
    assert_eq!(link.sources.to_string(), "exp-base, exp-latam");
    assert_eq!(link.conflict, Conflict::Deny);
    assert_eq!(add(Some(&after), &member).unwrap(), Edit::Same);
}

#[test]
fn an_account_cannot_be_that_of_two_members() {
    let told = add(Some(TEXT), &new("latam", "222222222222")).unwrap_err();
    assert!(
        told.to_string().contains("already that of member"),
        "{told}"
    );
    assert!(matches!(told, EditError::After(_)), "{told}");
}

#[test]
fn a_mode_changes_where_it_stands() {
    let emea = "emea".parse().unwrap();
    let text = changed(set_mode(TEXT, &emea, None, Mode::Mirror));
    let expected = TEXT.replace("\"observe\" # for", "\"mirror\" # for");
    assert_eq!(text, expected);
    assert_eq!(
        set_mode(&text, &emea, None, Mode::Mirror).unwrap(),
        Edit::Same
    );
    // A link without a mode mirrors.
    let apac = "apac".parse().unwrap();
    assert_eq!(
        set_mode(TEXT, &apac, None, Mode::Mirror).unwrap(),
        Edit::Same
    );
    let text = changed(set_mode(
        TEXT,
        &apac,
        Some(&Target::EveryLive),
        Mode::Additive,
    ));
    assert_eq!(without(&text, TEXT), ["mode = \"additive\""]);
    let of_emea = Config::parse(TEXT).unwrap().links;
    let of_emea = of_emea.iter().find(|link| link.member.name == emea);
    let refused = set_mode(TEXT, &apac, Some(&of_emea.unwrap().target), Mode::Mirror);
    let told = refused.unwrap_err().to_string();
    assert!(told.ends_with("; it is an experience of emea"), "{told}");
    for (name, target) in [("latam", None), ("emea", Some(Target::EveryLive))] {
        let refused = set_mode(TEXT, &name.parse().unwrap(), target.as_ref(), Mode::Mirror);
        assert!(matches!(refused, Err(EditError::Unknown(_))), "{refused:?}");
    }
}

#[test]
fn a_member_goes_with_its_links_and_the_others_stay() {
    let emea = "emea".parse().unwrap();
    let text = changed(remove(TEXT, &emea));
    let config = Config::parse(&text).unwrap();
    assert_eq!((config.members.len(), config.links.len()), (1, 1));
    for line in [
        "# ours",
        "removals = 20 # a lot",
        "name = \"apac\" # far away",
        "# the end",
    ] {
        assert!(text.lines().any(|stays| stays == line), "{line}: {text}");
    }
    assert!(!text.contains("emea"), "{text}");
    assert_eq!(remove(&text, &emea).unwrap(), Edit::Same);
    let text = changed(remove(&text, &"apac".parse().unwrap()));
    assert!(Config::parse(&text).unwrap().members.is_empty(), "{text}");
}

#[test]
fn what_came_goes_without_a_trace() {
    let latam = new("latam", "444444444444");
    let with = changed(add(Some(TEXT), &latam));
    assert_eq!(changed(remove(&with, &latam.name)), TEXT);
}

#[test]
fn lists_in_one_line_are_edited_as_well() {
    let text = r#"schema = 1
member = [{ name = "emea", account = "222222222222", external_id = "of-emea" }]
link = [{ management_experience = "exp-source", member = "emea", member_experience = "exp-emea" }]
"#;
    let latam = new("latam", "444444444444");
    let with = changed(add(Some(text), &latam));
    assert_eq!(Config::parse(&with).unwrap().links.len(), 2);
    let emea = "emea".parse().unwrap();
    let observed = changed(set_mode(&with, &emea, None, Mode::Observe));
    let modes = Config::parse(&observed).unwrap().links;
    assert!(modes.iter().all(|link| link.policy.mode == Mode::Observe));
    assert_eq!(changed(remove(&with, &latam.name)), text);
}

#[test]
fn a_text_that_is_not_valid_is_not_edited() {
    let refused = add(Some("schema = 2"), &new("emea", "222222222222"));
    assert!(matches!(refused, Err(EditError::Before(_))), "{refused:?}");
}
