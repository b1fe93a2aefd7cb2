"""The emulator through the unmodified boto3 client. Arguments: its URL, the delegated administrator's
account, an experience with a policy, one without. Fails by an assertion."""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, account, experience, without_policy = sys.argv[1:5]


def client(service, key=account):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


catalog = client("marketplace-catalog")


def change(kind, identifier, details):
    return {
        "ChangeType": kind,
        "Entity": {"Type": "Experience@1.0", "Identifier": identifier},
        "Details": json.dumps(details),
    }


def products(*ids):
    return {"Products": [{"Ids": list(ids)}]}


def start(*changes, **more):
    return catalog.start_change_set(Catalog="AWSMarketplace", ChangeSet=list(changes), **more)


def fails(code, status, call):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error
        assert error.response["Error"]["Message"], error
        return error
    raise AssertionError(f"{code} was expected")


def ended(change_set):
    for _ in range(200):
        described = catalog.describe_change_set(Catalog="AWSMarketplace", ChangeSetId=change_set)
        if described["Status"] not in ("PREPARING", "APPLYING"):
            return described
        time.sleep(0.05)
    raise AssertionError("the change set did not end")


allow = "AllowProductProcurement"
deny = "DenyProductProcurement"

# Locking, tokens, and a change set's way.
first = start(change(allow, experience, products("p1", "p2")), change(deny, experience, products("p3")), ClientRequestToken="t1")
same = start(change(allow, experience, products("p1", "p2")), change(deny, experience, products("p3")), ClientRequestToken="t1")
assert same["ChangeSetId"] == first["ChangeSetId"]
fails("ValidationException", 422, lambda: start(change(allow, experience, products("p9")), ClientRequestToken="t1"))
fails("ResourceInUseException", 423, lambda: start(change(allow, experience, products("p4"))))
described = ended(first["ChangeSetId"])
assert described["Status"] == "SUCCEEDED", described
assert "@" in described["ChangeSet"][0]["Entity"]["Identifier"]
assert len(described["StartTime"]) == 20, described["StartTime"]

# The policy shows it.
entity = catalog.describe_entity(Catalog="AWSMarketplace", EntityId=experience)
assert entity["EntityType"] == "Experience@1.0"
policy_id = json.loads(entity["Details"])["ProcurementPolicies"][0]
policy = catalog.describe_entity(Catalog="AWSMarketplace", EntityId=policy_id)
lists = {"Allow": set(), "Deny": set()}
for statement in policy["DetailsDocument"]["Statements"]:
    for resource in statement["Resources"]:
        lists[statement["Effect"]].update(resource["Ids"])
assert lists == {"Allow": {"p1", "p2"}, "Deny": {"p3"}}, lists

# What is refused at once.
fails("ValidationException", 422, lambda: start(change(allow, experience, products(*[f"q{n}" for n in range(51)]))))
fails("ValidationException", 422, lambda: start(change(allow, experience, products("q", "q"))))
fails("ValidationException", 422, lambda: start(change(allow, experience, products("q")), change(allow, experience, products("r"))))
fails("ValidationException", 422, lambda: start(change(allow, experience + "@1", products("q"))))
fails("ResourceNotFoundException", 404, lambda: start(change(allow, "exp-nowhere", products("q"))))
fails("ResourceNotFoundException", 404, lambda: catalog.describe_entity(Catalog="AWSMarketplace", EntityId="exp-nowhere"))
fails("ResourceNotFoundException", 404, lambda: catalog.describe_change_set(Catalog="AWSMarketplace", ChangeSetId="nothing"))
stranger = client("marketplace-catalog", "555555555555")
fails("AccessDeniedException", 403, lambda: stranger.describe_entity(Catalog="AWSMarketplace", EntityId=experience))

# What shows only in the end.
failed = ended(start(change(allow, without_policy, products("p1")))["ChangeSetId"])
assert (failed["Status"], failed["FailureCode"]) == ("FAILED", "CLIENT_ERROR"), failed
assert failed["ChangeSet"][0]["ErrorDetailList"][0]["ErrorCode"] == "ENTITY_NOT_FOUND", failed

# Cancelling, which is possible only at the beginning.
cancelled = start(change(allow, experience, products("p5")))["ChangeSetId"]
catalog.cancel_change_set(Catalog="AWSMarketplace", ChangeSetId=cancelled)
assert ended(cancelled)["Status"] == "CANCELLED"
fails("ResourceInUseException", 423, lambda: catalog.cancel_change_set(Catalog="AWSMarketplace", ChangeSetId=cancelled))

# Lists: shared entities are seen with the scope only.
shared = [{"Name": "Scope", "ValueList": ["SharedWithMe"]}]
listed = catalog.list_entities(Catalog="AWSMarketplace", EntityType="Experience", FilterList=shared)
assert experience in [summary["EntityId"] for summary in listed["EntitySummaryList"]]
unshared = catalog.list_entities(Catalog="AWSMarketplace", EntityType="Experience")
assert unshared["EntitySummaryList"] == []
page = catalog.list_entities(Catalog="AWSMarketplace", EntityType="Experience", FilterList=shared, MaxResults=1)
assert len(page["EntitySummaryList"]) == 1 and page["NextToken"]
of_one = shared + [{"Name": "EntityId", "ValueList": [experience]}]
sets = catalog.list_change_sets(Catalog="AWSMarketplace", FilterList=of_one)["ChangeSetSummaryList"]
assert [one["ChangeSetId"] for one in sets] == [cancelled, first["ChangeSetId"]], sets

# Batches of entities.
batch = catalog.batch_describe_entities(
    EntityRequestList=[{"Catalog": "AWSMarketplace", "EntityId": id} for id in (experience, "exp-nowhere")]
)
assert list(batch["EntityDetails"]) == [experience]
assert batch["Errors"]["exp-nowhere"]["ErrorCode"] == "ResourceNotFoundException"

# A new experience, with its policy in the same change set.
made = ended(
    catalog.start_change_set(
        Catalog="AWSMarketplace",
        ChangeSet=[
            {
                "ChangeType": "CreateExperience",
                "ChangeName": "made",
                "Entity": {"Type": "Experience@1.0"},
                "DetailsDocument": {"Name": "Made by boto3"},
            },
            {
                "ChangeType": "CreateProcurementPolicy",
                "Entity": {"Type": "Experience@1.0", "Identifier": "$made.Entity.Identifier"},
                "DetailsDocument": {"Name": "Its policy"},
            },
        ],
    )["ChangeSetId"]
)
assert made["Status"] == "SUCCEEDED", made
new = made["ChangeSet"][0]["Entity"]["Identifier"].split("@")[0]
details = json.loads(catalog.describe_entity(Catalog="AWSMarketplace", EntityId=new)["Details"])
assert (details["Name"], details["Status"], len(details["ProcurementPolicies"])) == ("Made by boto3", "Disabled", 1), details

# Discovery.
discovery = client("marketplace-discovery")
assert discovery.get_product(productId="p1")["productId"] == "p1"
fails("ResourceNotFoundException", 404, lambda: discovery.get_product(productId="gone"))

# Organizations.
organizations = client("organizations")
organization = organizations.describe_organization()["Organization"]
assert organization["FeatureSet"] == "ALL", organization
owner = organization["MasterAccountId"]
assert client("organizations", owner).describe_organization()["Organization"] == organization
assert len(organizations.list_roots()["Roots"]) == 1
private_marketplace = "private-marketplace.marketplace.amazonaws.com"
administrators = organizations.list_delegated_administrators(ServicePrincipal=private_marketplace)
assert [one["Id"] for one in administrators["DelegatedAdministrators"]] == [account], administrators
services = organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
assert [one["ServicePrincipal"] for one in services] == [private_marketplace], services
fails(
    "AWSOrganizationsNotInUseException",
    400,
    client("organizations", "121212121212").describe_organization,
)

print("ok")
