"""Every command of the `planet` command line that speaks with Planet, through the guard.

Usage: planet_commands.py every_command GUARD_URL KEY. The list of commands is read from the installed SDK, so that one
which is not run here makes the run fail. `auth` and `plauth` are left out: they speak with
login.planet.com, to which no guard is the way.
"""

import contextlib
import json
import shlex
import sys
import tempfile
from pathlib import Path

import click
from click.testing import CliRunner
from planet.cli.cli import main

from planet_methods import (
    ASYNCHRONOUS, BOX, FIELD_KM2, FORTY_DAYS, ITEM, QUAD_PU, SCENE_KM2, TEN_MORE_DAYS, WHAT_IS_LEFT, day, subscription,
)
from planet_stories import FIELD, preset_bundles
from witness import Witness, egress

NOT_PLANETS_APIS = {"auth", "plauth"}


def commands(group, path=()):
    """`orders create` and all the others, by their names."""
    for name, one in group.commands.items():
        if path or name not in NOT_PLANETS_APIS:
            whole = (*path, name)
            yield from commands(one, whole) if isinstance(one, click.Group) else [" ".join(whole)]


class Shell:
    def __init__(self, guard, key):
        self.guard, self.key = guard, key
        self.witness = Witness().listen()
        self.offered = set(commands(main))

    def __call__(self, line, file=None, **costs):
        """Runs one command, with `file` as its standard input, and reads what it prints."""
        words = shlex.split(line)
        [name] = [name for name in self.offered if words[:len(name.split())] == name.split()]
        group, *rest = words
        base = ["-u", f"{self.guard}/{ASYNCHRONOUS[group]}"] if group in ASYNCHRONOUS else []
        arguments = ["--auth-api-key", self.key, group, *base, *rest]
        standard_input = json.dumps(file) if file is not None else None
        with self.witness.costs(**costs) as cost:
            ran = self.witness.called(name, lambda: CliRunner().invoke(main, arguments, input=standard_input))
            assert ran.exit_code == 0, f"planet {line}: {ran.output} {ran.exception!r}"
            cost.update(late() if (late := cost.pop("late", None)) else {})
        return read(ran.stdout)


def read(text):
    """One JSON document, one to a line, or what a person is told."""
    for parse in (json.loads, lambda text: [json.loads(line) for line in text.splitlines()]):
        try:
            return parse(text)
        except json.JSONDecodeError:
            pass
    return text


def in_folder(name, value):
    Path(name).write_text(json.dumps(value))
    return name


def data(planet):
    field = in_folder("field.json", FIELD)
    clear = in_folder("filter.json", planet("data filter --range cloud_cover lte 0.9"))
    found = planet(f"data search PSScene --filter {clear} --geom {field} --limit 300")
    assert len(found) == 300
    saved = planet(f"data search-create PSScene --filter {clear} --name fields")["id"]
    assert planet(f"data search-get {saved}")["name"] == "fields"
    assert planet(f"data search-update {saved} PSScene --filter {clear} --name blocks")["name"] == "blocks"
    assert saved in str(planet("data search-list"))
    assert len(planet(f"data search-run {saved} --limit 300")) == 300
    planet(f"data search-delete {saved}")
    assert planet(f"data stats PSScene --filter {clear} --interval month")["buckets"]
    assert planet(f"data item-get PSScene {ITEM}")["id"] == ITEM
    assert planet(f"data item-coverage PSScene {ITEM} --geom {field}")["status"] == "complete"
    assert "ortho_visual" in planet(f"data asset-list PSScene {ITEM}")
    assert planet(f"data asset-get PSScene {ITEM} ortho_visual")["status"] == "inactive"
    planet(f"data asset-activate PSScene {ITEM} ortho_visual", pu=20)
    planet(f"data asset-wait PSScene {ITEM} ortho_visual --delay 0")
    planet(f"data asset-download PSScene {ITEM} ortho_visual --filename asset.tif --checksum",
           aum=SCENE_KM2, late=lambda: {"pu": egress("asset.tif")})
    assert "PSScene" in str(planet("data item-types"))


def orders(planet):
    field = in_folder("clip.json", FIELD)
    request = planet(f"orders request {ITEM} --item-type PSScene --bundle analytic_8b_sr_udm2 --name farm --clip {field}")
    created = planet("orders create -", file=request, pu=3 * 21, aum=FIELD_KM2)["id"]
    assert "success" in planet(f"orders wait {created} --delay 0")
    assert planet(f"orders get {created}")["state"] == "success"
    planet(f"orders download {created} --directory . --checksum SHA256",
           late=lambda: {"pu": egress(*(file for file in Path(created).rglob("*") if file.is_file()))})
    assert created in str(planet("orders list"))
    request = planet(f"orders request {ITEM} --item-type PSScene --bundle visual --name farm")
    queued = planet("orders create -", file=request, pu=20, aum=SCENE_KM2)["id"]
    assert queued in str(planet(f"orders cancel {queued}"))
    assert "PSScene" in str(planet("orders item-types")) and "visual" in str(planet("orders bundles"))


def subscriptions(planet):
    field = in_folder("geometry.json", FIELD)
    catalog = planet("subscriptions request-catalog --item-types PSScene --asset-types ortho_analytic_8b_sr"
                     f" --geometry {field} --start-time {day(-10)} --end-time {day(30)}")
    tools = in_folder("tools.json", [{"type": "clip", "parameters": {}}])
    request = planet(f"subscriptions request --name field --source {in_folder('source.json', catalog)}"
                     f" --tools {tools} --hosting sentinel_hub")
    one = planet("subscriptions create -", file=request, **FORTY_DAYS)["id"]
    planet("subscriptions bulk-create -", file=subscription("other"), **FORTY_DAYS)
    assert "other" in str(planet("subscriptions list"))
    assert planet(f"subscriptions get {one}")["status"] == "running"
    assert planet(f"subscriptions results {one}")
    assert planet("subscriptions summarize")["subscriptions"]["running"] >= 1
    longer = subscription("field")
    longer["source"]["parameters"]["end_time"] = day(40)
    planet(f"subscriptions update {one} -", file=longer, **TEN_MORE_DAYS)
    assert planet(f"subscriptions patch {one} -", file={"name": "block"})["name"] == "block"
    planet(f"subscriptions suspend {one}")
    planet(f"subscriptions reactivate {one}", **WHAT_IS_LEFT)
    planet(f"subscriptions bulk-suspend --subscription-ids {one}")
    planet(f"subscriptions bulk-reactivate --subscription-ids {one}", **WHAT_IS_LEFT)
    planet(f"subscriptions cancel {one}")
    assert planet("subscriptions request-source --source-id PS_ARD_SR_DAILY"
                  f" --geometry {field} --start-time {day(-1)}")["parameters"]["id"] == "PS_ARD_SR_DAILY"
    assert "PSScene" in str(planet("subscriptions item-types"))


def features_and_quota(planet):
    feature = in_folder("feature.json", {"type": "Feature", "geometry": FIELD, "properties": {}})
    collection = planet("features collections create --title Fields")
    references = [planet(f"features items add {collection} {feature}")[0] for _ in range(3)]
    assert planet(f"features collections get {collection}")["title"] == "Fields"
    assert collection in str(planet("features collections list"))
    assert len(planet(f"features items list {collection}")) == 3
    product = planet("quota products list")["id"]
    first, *others = [f"--aoi-ref {reference}" for reference in references]
    assert planet(f"quota reservations estimate {first} --product-id {product}")["total_cost"] == 25
    made = planet(f"quota reservations create {first} --product-id {product}", quota=25)
    number = made["quota_reservations"][0]["id"]
    assert planet(f"quota reservations get {number}")["aoi_ref"] == references[0]
    job = planet(f"quota reservations bulk-reserve {' '.join(others)} --product-id {product}", quota=50)["job_id"]
    assert planet(f"quota jobs get {job}")["processed_items"] == 2
    assert planet("quota jobs list") and len(planet("quota reservations list")) == 3
    assert planet(f"features items get {references[0]}")["geometry"] == FIELD
    planet(f"features items delete {references[0]}")
    planet(f"features collections delete {collection}")


def destinations(planet):
    secret = "--access-key-id id --secret-access-key secret"
    kinds = {
        "s3": f"--bucket b --region eu-central-1 {secret}",
        "s3-compatible": f"--bucket b --endpoint https://s3.example.org --region r {secret}",
        "ocs": f"--bucket b --namespace n --region r {secret}",
        "azure": "--container c --account a --sas-token secret",
        "gcs": "--bucket b --credentials c2VjcmV0",
    }
    changes = {"azure": "--sas-token other", "gcs": "--credentials b3RoZXI="}
    for kind, options in kinds.items():
        made = planet(f"destinations create {kind} {options} --name {kind}")
        planet(f"destinations update {kind} {made['id']} {changes.get(kind, secret)}")
    number = made["id"]
    assert planet(f"destinations rename {number} ours")["name"] == "ours"
    assert planet(f"destinations archive {number}")["archived"]
    assert number not in str(planet("destinations list")) and number in str(planet("destinations list --archived true"))
    assert not planet(f"destinations unarchive {number}")["archived"]
    assert planet(f"destinations get {number}")["name"] == "ours"
    assert number in str(planet("destinations list"))
    planet(f"destinations default set {number}")
    assert planet("destinations default get")
    planet("destinations default unset")


def mosaics(planet):
    name, box = "global_monthly_2026_07_mosaic", ",".join(str(side) for side in BOX)
    assert planet(f"mosaics info {name}")["name"] == name
    assert name in str(planet("mosaics list"))
    series = planet("mosaics series list")[0]["id"]
    assert planet(f"mosaics series info {series}")["id"] == series
    assert name in str(planet(f"mosaics series list-mosaics {series}"))
    quads = planet(f"mosaics search {name} --bbox {box}")
    assert planet(f"mosaics contributions {name} {quads[0]['id']}")

    def downloaded():
        files = list(Path("quads").glob("*.tif"))
        assert len(files) == len(quads)
        return {"pu": len(files) * QUAD_PU + egress(*files)}

    Path("quads").mkdir()
    planet(f"mosaics download {name} --bbox {box} --output-dir quads", late=downloaded)
    assert planet("collect -", file=quads)


STORIES = [data, orders, subscriptions, features_and_quota, destinations, mosaics]


def every_command(guard, key):
    preset_bundles(guard, key)
    shell = Shell(guard, key)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.chdir(folder):
            for story in STORIES:
                story(shell)
    return {"offered": len(shell.offered), "not_called": sorted(shell.offered - shell.witness.exercised),
            "not_offered": sorted(shell.witness.exercised - shell.offered)}


if __name__ == "__main__":
    story, guard, key = sys.argv[1:4]
    print(json.dumps(globals()[story](guard, key)))
