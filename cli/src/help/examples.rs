//! Two examples for each command. A test parses each, and fails for a command without.

/// A command line, without `pmp-sync` at its beginning, and what it does.
type Example = (&'static str, &'static str);

/// The examples of each command, by its path.
pub(super) const EXAMPLES: &[(&str, [Example; 2])] = &[
    (
        "approve",
        [
            (
                "approve 01ARZ3NDEKTSV4RRFFQ69G5FAV --member emea --plan 0a1b2c3d",
                "Execute the held plan of a member with one experience",
            ),
            (
                "approve 01ARZ3 --experience exp-q5m7v2k9d3xwa --plan 0a1b2c3d --timeout 600",
                "Name the run by its beginning, and wait for 10 minutes at most",
            ),
        ],
    ),
    (
        "completions",
        [
            (
                "completions bash",
                "Print the script; `source <(pmp-sync completions bash)` in .bashrc loads it",
            ),
            ("completions fish", "Print the script of fish"),
        ],
    ),
    (
        "config apply",
        [
            (
                "config apply pmp-sync.toml",
                "Store a configuration as the next version",
            ),
            (
                "config apply pmp-sync.toml --json",
                "The same, for a pipeline",
            ),
        ],
    ),
    (
        "config schema",
        [
            ("config schema", "Print the JSON Schema"),
            (
                "config schema --name emea-tools",
                "The schema is the same for every installation",
            ),
        ],
    ),
    (
        "config show",
        [
            ("config show", "Print the configuration in force"),
            ("config show --json", "Print it with its version and author"),
        ],
    ),
    (
        "config validate",
        [
            ("config validate pmp-sync.toml", "Check a file without AWS"),
            (
                "config validate pmp-sync.toml --json",
                "List its problems as JSON",
            ),
        ],
    ),
    (
        "deploy management",
        [
            (
                "deploy management --profile headquarters",
                "Create or update the stack of the management account",
            ),
            (
                "deploy management --parameter Schedule='rate(30 minutes)' --yes",
                "Change a parameter without a question",
            ),
        ],
    ),
    (
        "deploy member",
        [
            (
                "deploy member --account 222222222222 --profile emea",
                "Create or update the stacks of a member",
            ),
            (
                "deploy member --account 222222222222 --profile emea --bootstrap",
                "Create an experience there as well, disabled",
            ),
        ],
    ),
    (
        "destroy",
        [
            (
                "destroy --profile headquarters",
                "Show what would be deleted, and ask",
            ),
            (
                "destroy --discard-dead-letters --yes",
                "Delete everything, dead letters included, without a question",
            ),
        ],
    ),
    (
        "dlq discard",
        [
            ("dlq discard --member emea", "Show what would be deleted"),
            (
                "dlq discard --member emea --reason unreadable --yes",
                "Delete the unreadable messages of a member",
            ),
        ],
    ),
    (
        "dlq list",
        [
            ("dlq list", "List all dead letters"),
            (
                "dlq list --member emea --reason quarantined",
                "Only what AWS Marketplace rejected at one member",
            ),
        ],
    ),
    (
        "dlq replay",
        [
            ("dlq replay --dry-run", "Show what a replay would do"),
            (
                "dlq replay --product prod-6dw3qvchef7zy",
                "Try the changes of one product again",
            ),
        ],
    ),
    (
        "dlq show",
        [
            ("dlq show 1234abcd", "Show one by the beginning of its id"),
            (
                "dlq show 1234abcd --json",
                "Show it with the body of its message",
            ),
        ],
    ),
    (
        "doctor",
        [
            ("doctor", "Check the whole setup"),
            (
                "doctor --member emea --profile emea=emea-admin",
                "Look into one member's account, too",
            ),
        ],
    ),
    (
        "drift",
        [
            ("drift", "List what somebody else has changed"),
            (
                "drift --member emea --profile emea-admin",
                "Look up in the member's CloudTrail who it was",
            ),
        ],
    ),
    (
        "experience archive",
        [
            (
                "experience archive --experience exp-q5m7v2k9d3xwa",
                "Archive a disabled experience",
            ),
            (
                "experience archive --disable --profile emea",
                "Disable it first",
            ),
        ],
    ),
    (
        "experience associate",
        [
            (
                "experience associate --profile emea",
                "Add the account's organization to the audience",
            ),
            (
                "experience associate --principal ou-ab12-cdefgh34 --experience exp-q5m7v2k9d3xwa",
                "Add one organizational unit",
            ),
        ],
    ),
    (
        "experience create",
        [
            (
                "experience create approved-products",
                "Create one, disabled",
            ),
            (
                "experience create approved-products --profile emea",
                "Create it in a member's account",
            ),
        ],
    ),
    (
        "experience disable",
        [
            (
                "experience disable --profile emea",
                "Let the only experience govern nobody",
            ),
            (
                "experience disable --experience exp-q5m7v2k9d3xwa",
                "Name it where there are several",
            ),
        ],
    ),
    (
        "experience disassociate",
        [
            (
                "experience disassociate --principal 222222222222",
                "Take one account out of the audience",
            ),
            (
                "experience disassociate --experience exp-q5m7v2k9d3xwa --yes",
                "Take everybody out, without a question",
            ),
        ],
    ),
    (
        "experience enable",
        [
            (
                "experience enable --profile emea",
                "Say what it means, and ask",
            ),
            (
                "experience enable --experience exp-q5m7v2k9d3xwa --yes",
                "Enable it without a question",
            ),
        ],
    ),
    (
        "experience list",
        [
            ("experience list", "List those of the account"),
            (
                "experience list --profile emea",
                "List those of a member's account",
            ),
        ],
    ),
    (
        "experience revive",
        [
            (
                "experience revive --experience exp-q5m7v2k9d3xwa",
                "Take an archived experience back",
            ),
            (
                "experience revive --profile emea",
                "The only archived one of a member",
            ),
        ],
    ),
    (
        "history",
        [
            ("history", "Show the newest runs"),
            (
                "history last",
                "Show everything that is known of the last run",
            ),
        ],
    ),
    (
        "holds",
        [
            (
                "holds",
                "List the plans that wait, with the commands that approve them",
            ),
            (
                "holds --member emea --products",
                "List the products of one member's plan",
            ),
        ],
    ),
    (
        "local down",
        [
            ("local down", "End it"),
            (
                "local down --state /tmp/pmp-sync.json",
                "End the one with that state file",
            ),
        ],
    ),
    (
        "local status",
        [
            (
                "local status",
                "Show what runs, and the variables that reach it",
            ),
            ("local status --json", "The same, for a program"),
        ],
    ),
    (
        "local up",
        [
            (
                "local up",
                "Start it; `eval \"$(pmp-sync local up)\"` sets the variables that reach it",
            ),
            (
                "local up --ttl 30m --change-set-seconds 5",
                "End after 30 minutes, with slower change sets",
            ),
        ],
    ),
    (
        "member add",
        [
            (
                "member add emea --account 222222222222",
                "Add a member that only observes at first",
            ),
            (
                "member add emea --account 222222222222 --experience exp-q5m7v2k9d3xwa --mode mirror",
                "Mirror to one of its experiences from the start",
            ),
        ],
    ),
    (
        "member bootstrap",
        [
            (
                "member bootstrap --account 222222222222 --profile emea",
                "Create a disabled experience for its organization",
            ),
            (
                "member bootstrap --account 222222222222 --principal ou-ab12-cdefgh34",
                "For one organizational unit",
            ),
        ],
    ),
    (
        "member list",
        [
            ("member list", "List the members with their links"),
            ("member list --json", "The same, for a program"),
        ],
    ),
    (
        "member mode",
        [
            (
                "member mode emea mirror",
                "Let a member follow the lists from now on",
            ),
            (
                "member mode emea observe --experience exp-q5m7v2k9d3xwa --no-sync",
                "Let one of its links only observe, without a sync at once",
            ),
        ],
    ),
    (
        "member remove",
        [
            (
                "member remove emea --experience leave",
                "Remove a member, and keep its experience as it is",
            ),
            (
                "member remove emea --experience archive --profile emea",
                "Archive its experience, too",
            ),
        ],
    ),
    (
        "plan",
        [
            ("plan", "Preview the next sync of every link"),
            (
                "plan --member emea --products",
                "List every product of one member",
            ),
        ],
    ),
    (
        "product allow",
        [
            (
                "product allow prod-6dw3qvchef7zy --reason 'ticket 4711'",
                "Allow a product everywhere, after a question",
            ),
            (
                "product allow 'Anthropic Claude 3 Sonnet' 'Cohere Command R' --yes",
                "Allow two by their names, without a question",
            ),
        ],
    ),
    (
        "product deny",
        [
            (
                "product deny prod-6dw3qvchef7zy --reason 'contract ended'",
                "Deny a product everywhere, after a question",
            ),
            (
                "product deny prod-6dw3qvchef7zy --no-preview",
                "Do not plan what it means in each member",
            ),
        ],
    ),
    (
        "product diff",
        [
            (
                "product diff products.csv",
                "Show how a file differs from the lists",
            ),
            (
                "product diff products.csv --exact",
                "Count what is allowed and not in the file, too",
            ),
        ],
    ),
    (
        "product export",
        [
            ("product export", "Print the lists as CSV"),
            ("product export --format json", "Print them as JSON"),
        ],
    ),
    (
        "product import",
        [
            (
                "product import products.csv --reason 'yearly review'",
                "Allow and deny what the file says, after a question",
            ),
            (
                "product import products.csv --exact",
                "Deny what is allowed and not in the file",
            ),
        ],
    ),
    (
        "product list",
        [
            (
                "product list",
                "List the products of the management experience",
            ),
            (
                "product list claude --standing allowed",
                "Find allowed ones by a text",
            ),
        ],
    ),
    (
        "product search",
        [
            ("product search 'vector database'", "Search AWS Marketplace"),
            (
                "product search cohere --limit 100",
                "Show more of the results",
            ),
        ],
    ),
    (
        "reject",
        [
            (
                "reject 01ARZ3NDEKTSV4RRFFQ69G5FAV --member emea --plan 0a1b2c3d",
                "Reject the held plan of a member with one experience",
            ),
            (
                "reject 01ARZ3 --experience exp-q5m7v2k9d3xwa --plan 0a1b2c3d",
                "Name the run by its beginning",
            ),
        ],
    ),
    (
        "report",
        [
            ("report --html report.html", "Write the page to a file"),
            (
                "report --html - --member emea --runs 20",
                "Write a page about one member to stdout",
            ),
        ],
    ),
    (
        "requests",
        [
            ("requests", "List the open requests of all members"),
            (
                "requests --member emea --all",
                "List those of one member, ended ones too",
            ),
        ],
    ),
    (
        "requests approve",
        [
            (
                "requests approve prod-6dw3qvchef7zy",
                "Allow a product that is requested, after a question",
            ),
            (
                "requests approve 'Claude 3 Sonnet' --member emea --reason 'ticket 4711'",
                "Answer only the requests of one member",
            ),
        ],
    ),
    (
        "requests decline",
        [
            (
                "requests decline prod-6dw3qvchef7zy --reason 'there is a contract with another'",
                "Record why it is declined",
            ),
            (
                "requests decline prod-6dw3qvchef7zy --reason 'not permitted' --deny",
                "Deny the product as well",
            ),
        ],
    ),
    (
        "restore",
        [
            (
                "restore 01ARZ3NDEKTSV4RRFFQ69G5FAV --member emea",
                "Plan the way back to the lists before a run",
            ),
            (
                "restore last --experience exp-q5m7v2k9d3xwa",
                "Back to the lists before the last run",
            ),
        ],
    ),
    (
        "resume",
        [
            ("resume", "End the suspension of everything"),
            ("resume --member emea", "End that of one member"),
        ],
    ),
    (
        "scp",
        [
            (
                "scp --member emea",
                "Print the policy for a member's organization",
            ),
            (
                "scp --member emea --break-glass arn:aws:iam::222222222222:role/emergency",
                "Let one role make changes as well",
            ),
        ],
    ),
    (
        "status",
        [
            ("status", "Show the last runs and every lane"),
            (
                "status --watch --interval 10s",
                "Show them again every 10 seconds",
            ),
        ],
    ),
    (
        "suspend",
        [
            ("suspend", "Start no change set anywhere"),
            ("suspend --member emea", "Suspend one member"),
        ],
    ),
    (
        "sync",
        [
            (
                "sync --wait",
                "Start a sync of everything, and wait until it is done",
            ),
            (
                "sync --member emea --override --reason 'agreed with finance' --wait",
                "Sync a frozen member once",
            ),
        ],
    ),
    (
        "why",
        [
            (
                "why prod-6dw3qvchef7zy",
                "Explain the state of a product at every member",
            ),
            (
                "why 'Claude 3 Sonnet' --member emea",
                "Explain it at one member, by a part of its name",
            ),
        ],
    ),
];
