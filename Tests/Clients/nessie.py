# pynessie, its client and its command line, against Nessie's API of an Apus server. See README.md beside this file.
import json, os, subprocess, sys, tempfile, urllib.parse, urllib.request
from pynessie import init
from pynessie.error import NessieConflictException, NessieNotFoundException, NessieReferenceConflictException
from pynessie.model import ContentKey, Delete, IcebergTable, Put, Unchanged
from serving import check, serving


def refused(what, kind, body):
    try:
        body()
    except kind as e:
        return print("ok  ", what, "->", type(e).__name__, flush=True)
    raise AssertionError(f"{what} was not refused")


def client(server):
    nessie = init(config_dict={"endpoint": server.uri + "/api/v1", "default_branch": "main", "verify": False})
    check("the default branch", nessie.get_default_branch(), "main")
    check("references", [r.name for r in nessie.list_references().references], ["main"])
    server.sql("CREATE SCHEMA shop")
    server.sql("CREATE TABLE shop.orders AS SELECT i AS id FROM generate_series(1, 10) AS s(i)")
    dev = nessie.create_branch("dev", "main")
    check("a branch", (dev.name, dev.hash_), ("dev", nessie.get_reference("main").hash_))
    refused("the same branch again", NessieConflictException, lambda: nessie.create_branch("dev", "main"))
    refused("an unknown reference", NessieNotFoundException, lambda: nessie.get_reference("nothing"))
    keys = [".".join(e.name.elements) for e in nessie.list_keys("dev").entries]
    check("keys", keys, ["public", "shop", "shop.orders"])
    only = nessie.list_keys("dev", query_filter="entry.contentType in ['ICEBERG_TABLE']").entries
    check("filtered keys", [e.name.elements for e in only], [["shop", "orders"]])
    table = nessie.get_content("dev", ContentKey(["shop", "orders"]))
    check("a table's content", type(table), IcebergTable)
    refused("an unknown key", NessieNotFoundException, lambda: nessie.get_content("dev", ContentKey(["shop", "nothing"])))

    server.sql("DELETE FROM shop.orders WHERE id > 5", "dev")
    diff = nessie.get_diff("main", "dev").diffs
    check("a difference", [(d.content_key.elements, d.from_content.snapshot_id != d.to_content.snapshot_id) for d in diff], [(["shop", "orders"], True)])
    log = list(nessie.get_log("dev", max_records=2, fetch_all=True))
    check("a log entry", (log[0].commit_meta.author, log[0].commit_meta.message, [o.key.elements for o in log[0].operations]), ("test", "DELETE FROM shop.orders WHERE id > 5", [["shop", "orders"]]))
    check("its parent", log[0].parent_commit_hash, log[1].commit_meta.hash_)
    check("all of the log", len(list(nessie.get_log("dev", max_records=100))), len(server.sql("SHOW LOG FOR BRANCH dev LIMIT 100")))

    # A commit by hand: the table of main under another name.
    head = nessie.get_reference("dev").hash_
    table = nessie.get_content("main", ContentKey(["shop", "orders"]))
    key = ContentKey(["shop", "copied"])
    made = nessie.commit("dev", head, "copy by hand", "ann", Put(key, table), Unchanged(ContentKey(["shop", "orders"])))
    check("a commit moves the branch", made.hash_, nessie.get_reference("dev").hash_)
    check("and is there for SQL", server.sql("SELECT count(*) FROM shop.copied", "dev"), [(10,)])
    check("with its author", server.sql("SHOW LOG FOR BRANCH dev LIMIT 1")[0][2:], ("ann", "copy by hand"))
    refused("a commit over a changed key", NessieReferenceConflictException, lambda: nessie.commit("dev", log[1].commit_meta.hash_, "late", None, Delete(ContentKey(["shop", "orders"]))))

    merged = nessie.merge("dev", "main")
    check("a merge", (merged.was_applied, merged.resultant_target_hash), (True, nessie.get_reference("main").hash_))
    check("is there for SQL", server.sql("SELECT count(*) FROM shop.orders"), [(5,)])
    server.sql("INSERT INTO shop.orders VALUES (100)", "dev")
    picked = nessie.cherry_pick("main", "dev", None, nessie.get_reference("dev").hash_)
    check("a transplant", (picked.was_applied, server.sql("SELECT max(id) FROM shop.orders")), (True, [(100,)]))

    before = nessie.get_reference("main").hash_
    tag = nessie.create_tag("v1", "main")
    check("a tag", tag.hash_, before)
    nessie.assign_branch("dev", "main")
    check("an assigned branch", nessie.get_reference("dev").hash_, before)
    nessie.assign_tag("v1", "main", to_ref_hash=log[0].commit_meta.hash_)
    check("an assigned tag", nessie.get_reference("v1").hash_, log[0].commit_meta.hash_)
    check("a tag is read by SQL", server.sql("SELECT count(*) FROM shop.orders AT TAG v1"), [(5,)])
    refused("deleting at another hash", NessieReferenceConflictException, lambda: nessie.delete_tag("v1", before))
    nessie.delete_tag("v1", log[0].commit_meta.hash_)
    nessie.delete_branch("dev", nessie.get_reference("dev").hash_)
    check("what is left", [r.name for r in nessie.list_references().references], ["main"])


def command_line(server):
    """The nessie command; what it prints as JSON."""
    home = tempfile.mkdtemp()
    program = os.path.join(os.path.dirname(sys.executable), "nessie")

    def run(*words, json_output=True):
        arguments = [program, "--endpoint", server.uri + "/api/v1"] + (["--json"] if json_output else []) + list(words)
        done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "HOME": home, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"})
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if json_output and done.stdout.strip() else done.stdout

    run("branch", "work", "main")
    check("nessie branch", sorted(r["name"] for r in run("branch")), ["main", "work"])
    check("nessie content list", "shop.orders" in json.dumps([".".join(e["name"]["elements"]) for e in run("content", "list", "--ref", "work")]), True)
    check("nessie content view", run("content", "view", "--ref", "work", "shop.orders")[0]["type"], "ICEBERG_TABLE")
    check("nessie log", len(run("log", "--number", "2", "work")), 2)
    server.sql("INSERT INTO shop.orders VALUES (200)", "work")
    check("nessie diff", "shop" in run("diff", "main", "work", json_output=False), True)
    run("merge", "--force", "-b", "main", "work", json_output=False)
    check("nessie merge", server.sql("SELECT max(id) FROM shop.orders"), [(200,)])
    run("tag", "t1", "main")
    check("nessie tag", [t["name"] for t in run("tag")], ["t1"])
    run("tag", "--delete", "t1", json_output=False)
    run("branch", "--delete", "work", json_output=False)
    check("deleted", [r["name"] for r in run("branch")], ["main"])


def second_version(server):
    def ask(method, path, body=None):
        request = urllib.request.Request(server.uri + "/api/v2" + path, method=method, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        text = urllib.request.urlopen(request).read()
        return json.loads(text) if text else None

    check("config", ask("GET", "/config")["actualApiVersion"], 2)
    main = ask("GET", "/trees/-")["reference"]
    made = ask("POST", "/trees?name=two&type=BRANCH", main)["reference"]
    check("created", (made["name"], made["hash"]), ("two", main["hash"]))
    server.sql("INSERT INTO shop.orders VALUES (300)", "two")
    entries = ask("GET", "/trees/two/entries?content=true")["entries"]
    table = next(e for e in entries if e["type"] == "ICEBERG_TABLE" and e["name"]["elements"] == ["shop", "orders"])
    check("content of an entry", table["content"], ask("GET", "/trees/two/contents/shop.orders")["content"])
    check("diff", [d["key"]["elements"] for d in ask("GET", "/trees/main/diff/two")["diffs"]], [["shop", "orders"]])
    tip = ask("GET", "/trees/two")["reference"]["hash"]
    done = ask("POST", f"/trees/main@{main['hash']}/history/merge", {"fromRefName": "two", "fromHash": tip, "dryRun": True})
    check("a dry run", (done["wasSuccessful"], done["wasApplied"]), (True, False))
    done = ask("POST", f"/trees/main@{main['hash']}/history/merge", {"fromRefName": "two", "fromHash": tip})
    check("a merge", (done["wasApplied"], server.sql("SELECT max(id) FROM shop.orders")), (True, [(300,)]))
    check("two parents", len(ask("GET", "/trees/main/history?max-records=1")["logEntries"][0]["commitMeta"]["parentCommitHashes"]), 2)
    ask("DELETE", f"/trees/two@{tip}?type=BRANCH")
    check("a step back", ask("GET", "/trees/main~1")["reference"]["hash"], main["hash"])


if __name__ == "__main__":
    with serving() as server:
        client(server)
        command_line(server)
        second_version(server)
    print("all done")
