"""Every public method of every client of the `planet` SDK, through the guard, each by name.

Usage: planet_methods.py asynchronous|synchronous GUARD_URL KEY. The list of methods is read from the
installed SDK, so that a method which no story here calls makes the run fail. Each story asserts what a
method returns, and what the guard said that it costs; a call outside of `costs` must be free.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import planet
import planet.clients
import planet.sync
from planet import Auth, Planet, Session, data_filter, geojson, order_request
from planet.clients.base import _BaseClient
from planet.sync.mosaics import MosaicsAPI

from planet_stories import FIELD, preset_bundles
from witness import Witness, egress, public_methods

ITEM, OTHER = "20260601_101500_11_24f1", "20260602_101733_48_24c9"
BOX = [14.0, 46.0, 14.1, 46.1]
FIELD_KM2 = Decimal("0.860938")
SCENE_KM2 = 700  # how much of the ground an item of PlanetScope covers at most
QUAD_PU = 3000  # by its id nobody can tell that a quad is not of the dearest
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
# at most 4.4 scenes a day, 20 PU for the asset of each and 1 for clipping it; a day that has begun counts, and so
# does a scene that has
FORTY_DAYS = {"pu": 176 * 21, "aum": 40 * FIELD_KM2}
TEN_MORE_DAYS = {"pu": (44 * 21, 49 * 21), "aum": (10 * FIELD_KM2, 11 * FIELD_KM2)}
WHAT_IS_LEFT = {"pu": (171 * 21, 176 * 21), "aum": (39 * FIELD_KM2, 40 * FIELD_KM2)}
ASYNCHRONOUS = {
    "data": "data/v1", "orders": "compute/ops", "subscriptions": "subscriptions/v1",
    "features": "features/v1/ogc/my", "mosaics": "basemaps/v1", "destinations": "destinations/v1",
    "quota": "account/v1",
}


def defined_in(package):
    """The classes that a package's modules define, without what they import."""
    modules = [importlib.import_module(f"{package.__name__}.{found.name}")
               for found in pkgutil.iter_modules(package.__path__)]
    return {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)
            if one.__module__ == module.__name__}


def asynchronous(witness, session, guard):
    """The clients as `Session.client` makes them; what they return is awaited."""
    def run(result):
        if inspect.iscoroutine(result):
            return session._call_sync(result)
        return list(session._aiter_to_iter(result)) if inspect.isasyncgen(result) else result

    clients = {name: witness.watch(session.client(name, f"{guard}/{path}"), run)
               for name, path in ASYNCHRONOUS.items()}
    classes = {one for one in defined_in(planet.clients)
               if issubclass(one, _BaseClient) and one is not _BaseClient}
    return SimpleNamespace(**clients), classes


def synchronous(witness, session, guard):
    """`Planet()` with all that it offers; its mosaics stand beside it, for it has no member of that name."""
    def run(result):
        return list(result) if inspect.isgenerator(result) else result

    pl = Planet(session, base_url=guard)
    apis = {name: api for name, api in vars(pl).items() if not name.startswith("_")}
    apis.setdefault("mosaics", MosaicsAPI(session, f"{guard}/basemaps/v1"))
    classes = {one for one in defined_in(planet.sync) if one is not Planet}
    return SimpleNamespace(**{name: witness.watch(api, run) for name, api in apis.items()}), classes


def day(days):
    """Midnight UTC so many days from the last one."""
    return (TODAY + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def searches(sdk, witness, folder):
    """Searching is free, over however many pages."""
    clear = data_filter.and_filter([data_filter.range_filter("cloud_cover", lte=0.9),
                                    data_filter.geometry_filter(FIELD)])
    found = sdk.data.search(["PSScene"], clear, limit=600)
    assert len({item["id"] for item in found}) == 600, len(found)
    saved = sdk.data.create_search(["PSScene"], clear, name="fields")
    assert sdk.data.get_search(saved["id"])["name"] == "fields"
    renamed = sdk.data.update_search(saved["id"], ["PSScene"], clear, name="blocks")
    assert renamed["name"] == "blocks"
    assert saved["id"] in [one["id"] for one in sdk.data.list_searches()]
    assert len(sdk.data.run_search(saved["id"], limit=300)) == 300
    assert sdk.data.get_stats(["PSScene"], clear, "month")["buckets"]
    sdk.data.delete_search(saved["id"])
    assert saved["id"] not in [one["id"] for one in sdk.data.list_searches()]


def assets(sdk, witness, folder):
    """Activation costs once, the download its bytes; everything around them is free."""
    assert sdk.data.get_item("PSScene", ITEM)["id"] == ITEM
    assert sdk.data.get_item_coverage("PSScene", ITEM, FIELD)["status"] == "complete"
    listed = sdk.data.list_item_assets("PSScene", ITEM)
    asset = sdk.data.get_asset("PSScene", ITEM, "ortho_visual")
    assert asset == listed["ortho_visual"] and asset["status"] == "inactive"
    with witness.costs(pu=20):
        sdk.data.activate_asset(asset)
    active = sdk.data.wait_asset(asset, delay=0)
    with witness.costs(aum=SCENE_KM2) as cost:
        file = sdk.data.download_asset(active, directory=folder, progress_bar=False)
        cost["pu"] = egress(file)
    assert file.stat().st_size == 1 << 20
    sdk.data.validate_checksum(active, file)


def orders(sdk, witness, folder):
    """An order to its end: the files on disk, with the digests that their manifest names."""
    request = order_request.build_request(
        name="farm", tools=[order_request.clip_tool(FIELD)],
        products=[order_request.product([ITEM, OTHER], "analytic_8b_sr_udm2", "PSScene")])
    with witness.costs(pu=2 * 3 * (20 + 1), aum=FIELD_KM2):  # two items of three assets, activated and clipped
        created = sdk.orders.create_order(request)
    number = created["id"]
    assert sdk.orders.wait(number, delay=0) == "success"
    order = sdk.orders.get_order(number)
    results = order["_links"]["results"]
    with witness.costs() as cost:
        file = sdk.orders.download_asset(results[0]["location"], directory=folder, progress_bar=False)
        cost["pu"] = egress(file)
    with witness.costs() as cost:
        files = sdk.orders.download_order(number, directory=folder)
        cost["pu"] = egress(*files)
    assert len(files) == len(results)
    sdk.orders.validate_checksum(folder / number, "sha256")
    assert number in [one["id"] for one in sdk.orders.list_orders()]
    assert "queued_orders" in sdk.orders.aggregated_order_stats()["user"]


def cancelled_orders(sdk, witness, folder):
    """Cancelling is free, and gives nothing back."""
    request = {"name": "farm", "products": [
        {"item_ids": [ITEM], "item_type": "PSScene", "product_bundle": "visual"}]}
    with witness.costs(pu=3 * 20, aum=3 * SCENE_KM2):
        numbers = [sdk.orders.create_order({**request, "name": name})["id"] for name in ("a", "b", "c")]
    assert sdk.orders.cancel_order(numbers[0])["state"] == "cancelled"
    assert sdk.orders.cancel_orders(numbers[1:])["result"]["succeeded"]["count"] == 2


def subscription(name):
    return {
        "name": name,
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": FIELD, "start_time": day(-10), "end_time": day(30)}},
        "tools": [{"type": "clip", "parameters": {}}],
        "hosting": {"type": "sentinel_hub", "parameters": {}},
    }


def subscriptions(sdk, witness, folder):
    """A subscription's life: what adds to it costs, what looks at it or ends it is free."""
    with witness.costs(**FORTY_DAYS):
        one = sdk.subscriptions.create_subscription(subscription("field"))["id"]
    with witness.costs(**FORTY_DAYS):
        listing = sdk.subscriptions.bulk_create_subscriptions([subscription("other")])
    assert "/subscriptions/v1" in listing["_links"]["list"]
    everything = {each["name"]: each["id"] for each in sdk.subscriptions.list_subscriptions()}
    assert everything["field"] == one and "other" in everything
    assert sdk.subscriptions.get_subscription(one)["status"] == "running"
    results = sdk.subscriptions.get_results(one)
    assert results and len(sdk.subscriptions.get_results_csv(one)) == len(results) + 1
    assert sdk.subscriptions.get_summary()["subscriptions"]["running"] >= 1
    assert sdk.subscriptions.get_subscription_summary(one)["subscription"]["status"] == "running"
    longer = subscription("field")
    longer["source"]["parameters"]["end_time"] = day(40)
    with witness.costs(**TEN_MORE_DAYS):
        sdk.subscriptions.update_subscription(one, longer)
    assert sdk.subscriptions.patch_subscription(one, {"name": "block"})["name"] == "block"
    sdk.subscriptions.suspend_subscription(one)
    with witness.costs(**WHAT_IS_LEFT):
        sdk.subscriptions.reactivate_subscription(one)
    sdk.subscriptions.bulk_suspend_subscriptions([one])
    with witness.costs(**WHAT_IS_LEFT):
        sdk.subscriptions.bulk_reactivate_subscriptions([one])
    for number in everything.values():
        sdk.subscriptions.cancel_subscription(number)
    assert sdk.subscriptions.get_subscription(one)["status"] == "cancelled"


def features(sdk, witness, folder):
    """Keeping areas with Planet is free."""
    made = [sdk.features.create_collection(title=f"Fields {number}") for number in range(12)]
    assert set(made) <= {one["id"] for one in sdk.features.list_collections()}, "more than one page"
    assert sdk.features.get_collection(made[0])["title"] == "Fields 0"
    feature = {"type": "Feature", "geometry": FIELD, "properties": {}}
    references = sdk.features.add_items(made[0], {"type": "FeatureCollection", "features": 12 * [feature]})
    items = sdk.features.list_items(made[0], limit=0)
    assert sorted(item.ref for item in items) == sorted(references), "more than one page"
    one = items[0]["id"]
    assert sdk.features.get_item(made[0], one)["geometry"] == FIELD
    sdk.features.delete_item(made[0], one)
    assert len(sdk.features.list_items(made[0], limit=0)) == 11
    for collection in made:
        sdk.features.delete_collection(collection)
    assert not set(made) & {one["id"] for one in sdk.features.list_collections()}


def quota(sdk, witness, folder):
    """Reserving costs square kilometres, for good; asking what it would take is free."""
    collection = sdk.features.create_collection(title="Farms")
    feature = {"type": "Feature", "geometry": FIELD, "properties": {}}
    references = sdk.features.add_items(collection, {"type": "FeatureCollection", "features": 3 * [feature]})
    product = sdk.quota.list_products()[0]["id"]
    assert sdk.quota.estimate_reservation(references[:1], product)["total_cost"] == 25
    with witness.costs(quota=25):
        made = sdk.quota.create_reservation(references[:1], product)["quota_reservations"][0]
    assert sdk.quota.get_reservation(made["id"])["aoi_ref"] == references[0]
    with witness.costs(quota=50):
        job = sdk.quota.bulk_create_reservations(references[1:], product)["job_id"]
    assert sdk.quota.get_job(job)["processed_items"] == 2
    assert int(job) in [one["id"] for one in sdk.quota.list_jobs()]
    assert set(references) <= {one["aoi_ref"] for one in sdk.quota.list_reservations()}


def destinations(sdk, witness, folder):
    """Where deliveries go: free, and the secrets do not come back."""
    request = {"type": "google_cloud_storage", "name": "ours",
               "parameters": {"bucket": "b", "credentials": "c2VjcmV0"}}
    made = sdk.destinations.create_destination(request)
    assert made["parameters"]["credentials"] != "c2VjcmV0"
    number = made["id"]
    assert sdk.destinations.get_destination(number)["name"] == "ours"
    assert sdk.destinations.patch_destination(number, {"name": "theirs"})["name"] == "theirs"
    assert number in [one["id"] for one in sdk.destinations.list_destinations()["destinations"]]
    sdk.destinations.set_default_destination(number)
    assert sdk.destinations.get_default_destination()
    sdk.destinations.unset_default_destination()


def mosaics(sdk, witness, folder):
    """Looking at mosaics is free; each quad that is downloaded costs, and once."""
    mosaic = sdk.mosaics.get_mosaic("global_monthly_2026_07_mosaic")
    assert mosaic["name"] in [one["name"] for one in sdk.mosaics.list_mosaics()]
    series = sdk.mosaics.list_series()[0]
    assert sdk.mosaics.get_series(series["id"])["name"] == sdk.mosaics.get_series(series["name"])["name"]
    assert mosaic["id"] in [one["id"] for one in sdk.mosaics.list_series_mosaics(series)]
    quads = sdk.mosaics.list_quads(mosaic, bbox=BOX)
    assert sdk.mosaics.summarize_quads(mosaic, geometry=FIELD)["total_quads"] >= 1
    assert sdk.mosaics.get_quad(mosaic, quads[0]["id"])["id"] == quads[0]["id"]
    assert sdk.mosaics.get_quad_contributions(quads[0])
    with witness.costs() as cost:
        sdk.mosaics.download_quad(quads[0], directory=str(folder))
        [first] = folder.glob("*.tif")
        cost["pu"] = QUAD_PU + egress(first)
    with witness.costs() as cost:
        sdk.mosaics.download_quads(mosaic, bbox=BOX, directory=str(folder))
        others = [file for file in folder.glob("*.tif") if file != first]
        cost["pu"] = len(others) * QUAD_PU + egress(*others)
    assert {file.stem for file in [first, *others]} == {quad["id"] for quad in quads}


STORIES = [searches, assets, orders, cancelled_orders, subscriptions, features, quota, destinations, mosaics]


def every_method(clients, guard, key):
    preset_bundles(guard, key)
    witness = Witness().listen()
    sdk, classes = clients(witness, Session(auth=Auth.from_key(key)), guard)
    for story in STORIES:
        with tempfile.TemporaryDirectory() as folder:
            story(sdk, witness, Path(folder))
    offered = public_methods(classes)
    return {"offered": len(offered), "not_called": sorted(offered - witness.exercised),
            "not_offered": sorted(witness.exercised - offered)}


if __name__ == "__main__":
    story, guard, key = sys.argv[1:4]
    print(json.dumps(every_method(globals()[story], guard, key)))
