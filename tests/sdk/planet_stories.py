"""What a data scientist does with the real `planet` SDK, through the guard.

Usage: planet_stories.py STORY GUARD_URL KEY. Prints one JSON object; the Rust side asserts on it.

The SDK asks https://api.planet.com for its bundle specification whatever its base URL is, to validate
names before it sends anything. No guard can stand in that way, so the stories that need it read the
same document through the guard first and hand it to the SDK, as a team behind a closed network would.
"""

import asyncio
import json
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import planet
from planet import (
    Auth,
    MosaicsClient,
    OrdersClient,
    Planet,
    Session,
    geojson,
    order_request,
    specs,
)

FIELD = {
    "type": "Polygon",
    "coordinates": [[[14.50, 46.00], [14.51, 46.00], [14.51, 46.01], [14.50, 46.01], [14.50, 46.00]]],
}


def client(guard, key):
    return Planet(Session(auth=Auth.from_key(key)), base_url=guard)


def preset_bundles(guard, key):
    answer = httpx.get(f"{guard}/compute/ops/bundles/spec", headers={"Authorization": f"api-key {key}"})
    answer.raise_for_status()
    bundles = answer.json()["bundles"]
    item_types = {item_type for bundle in bundles.values() for item_type in bundle["assets"]}
    specs.PRODUCT_BUNDLES.cache = {
        "bundles": bundles,
        "bundle_names": bundles.keys(),
        "item_types": item_types,
    }


def search(guard, key):
    """Three pages of items: the links that lead from page to page must stay inside the guard."""
    preset_bundles(guard, key)
    items = list(client(guard, key).data.search(["PSScene"], limit=600))
    return {"items": len(items), "distinct": len({item["id"] for item in items})}


def order(guard, key):
    """Builds an order with the SDK's own helpers, waits for it, downloads every file."""
    preset_bundles(guard, key)
    request = order_request.build_request(
        name="farm",
        products=[order_request.product(["20260601_101500_11_24f1", "20260602_101733_48_24c9"],
                                        "analytic_8b_sr_udm2", "PSScene")],
        tools=[order_request.clip_tool(FIELD)],
    )

    async def run():
        async with Session(auth=Auth.from_key(key)) as session:
            orders = OrdersClient(session, base_url=f"{guard}/compute/ops")
            created = await orders.create_order(request)
            await orders.wait(created["id"], delay=0)
            with tempfile.TemporaryDirectory() as folder:
                files = await orders.download_order(created["id"], directory=Path(folder))
                sizes = [Path(file).stat().st_size for file in files]
                orders.validate_checksum(Path(folder) / created["id"], "sha256")
            listed = [entry["id"] async for entry in orders.list_orders()]
            return {"files": len(sizes), "bytes": sum(sizes), "listed": created["id"] in listed}

    return asyncio.run(run())


def asset(guard, key):
    """Activates an asset, waits for it, downloads it."""
    preset_bundles(guard, key)
    pl = client(guard, key)
    wanted = pl.data.get_asset("PSScene", "20260601_101500_11_24f1", "ortho_visual")
    pl.data.activate_asset(wanted)
    active = pl.data.wait_asset(wanted, delay=0)
    with tempfile.TemporaryDirectory() as folder:
        file = pl.data.download_asset(active, directory=Path(folder))
        return {"name": Path(file).name, "bytes": Path(file).stat().st_size,
                "location": active["location"]}


def quads(guard, key):
    """Downloads the quads of a box, four at a time as the SDK does."""
    async def run():
        async with Session(auth=Auth.from_key(key)) as session:
            mosaics = MosaicsClient(session, base_url=f"{guard}/basemaps/v1")
            mosaic = await mosaics.get_mosaic("global_monthly_2026_07_mosaic")
            box = [14.0, 46.0, 14.1, 46.1]
            listed = [quad async for quad in mosaics.list_quads(mosaic, bbox=box)]
            with tempfile.TemporaryDirectory() as folder:
                await mosaics.download_quads(mosaic, bbox=box, directory=folder)
                sizes = [file.stat().st_size for file in Path(folder).iterdir()]
            return {"listed": len(listed), "sizes": sizes, "links": json.dumps([mosaic, *listed])}

    return asyncio.run(run())


def subscription(guard, key, start="2026-10-01T00:00:00Z", end="2026-10-31T00:00:00Z"):
    request = {
        "name": "field",
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr", "ortho_udm2"],
            "geometry": FIELD, "start_time": start, "end_time": end}},
        "tools": [{"type": "clip", "parameters": {}}],
        "delivery": {"type": "google_cloud_storage",
                     "parameters": {"bucket": "b", "credentials": "c2VjcmV0"}},
    }
    pl = client(guard, key)
    created = pl.subscriptions.create_subscription(request)
    fetched = pl.subscriptions.get_subscription(created["id"])
    listed = [entry["id"] for entry in pl.subscriptions.list_subscriptions()]
    return {"status": fetched["status"], "listed": created["id"] in listed}


def revised(guard, key):
    """A subscription in its later life: longer, renamed, suspended, and going on again."""
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)

    def day(days):
        return (today + timedelta(days=days)).isoformat().replace("+00:00", "Z")

    request = {
        "name": "field",
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": FIELD, "start_time": day(-10), "end_time": day(30)}},
        "tools": [{"type": "clip", "parameters": {}}],
        "hosting": {"type": "sentinel_hub", "parameters": {}},
    }
    subscriptions = client(guard, key).subscriptions
    one = subscriptions.create_subscription(request)["id"]
    subscriptions.get_subscription(one)
    request["source"]["parameters"]["end_time"] = day(40)
    subscriptions.update_subscription(one, request)
    subscriptions.patch_subscription(one, {"name": "block"})
    patched = subscriptions.patch_subscription(one, {"source": {"parameters": {"end_time": day(50)}}})
    subscriptions.suspend_subscription(one)
    subscriptions.reactivate_subscription(one)
    subscriptions.suspend_subscription(one)
    subscriptions.bulk_reactivate_subscriptions([one])
    try:
        subscriptions.bulk_reactivate_subscriptions(all_subscriptions=True)
    except planet.exceptions.NoPermission as error:
        refused = str(error)
    return {"name": patched["name"], "end": patched["source"]["parameters"]["end_time"] == day(50),
            "status": subscriptions.get_subscription(one)["status"], "refused": refused}


def activated(guard, key):
    """The same asset twice, as two notebooks of a team would."""
    preset_bundles(guard, key)
    data = client(guard, key).data
    for _ in range(2):
        asset = data.get_asset("PSScene", "20260601_101500_11_24f1", "ortho_analytic_8b")
        data.activate_asset(asset)
        asset = data.wait_asset(asset, delay=0)
    return {"status": asset["status"]}


def ten_years(guard, key):
    """The mistake that empties a plan, and what its author sees."""
    try:
        subscription(guard, key, start="2016-01-01T00:00:00Z", end="2026-01-01T00:00:00Z")
    except planet.exceptions.APIError as error:
        return {"exception": type(error).__name__, "text": str(error)}
    return {"exception": None}


def by_reference(guard, key):
    """Keeps a field with Planet, reserves quota for it, subscribes to it by its reference."""
    pl = client(guard, key)
    collection = pl.features.create_collection(title="Fields")
    [field] = pl.features.add_items(collection, {"type": "Feature", "geometry": FIELD, "properties": {}})
    product = next(pl.quota.list_products())
    estimate = pl.quota.estimate_reservation([field], product["id"])
    reserved = pl.quota.create_reservation([field], product["id"])
    job = pl.quota.bulk_create_reservations([field], product["id"])
    created = pl.subscriptions.create_subscription({
        "name": "arps",
        "source": {"parameters": {"id": product["resource_ids"][0], "geometry": geojson.as_ref(field),
                                  "start_time": "2026-10-01T00:00:00Z", "end_time": "2026-10-31T00:00:00Z"}},
        "hosting": {"type": "sentinel_hub", "parameters": {"create_configuration": True}},
    })
    return {"cost": estimate["total_cost"], "reserved": reserved["quota_reservations"][0]["state"],
            "processed": pl.quota.get_job(job["job_id"])["processed_items"], "subscription": created["status"]}


def resent(guard, key):
    """Orders through a network that loses the first answer: what the SDK does about it, by itself."""
    sent = 0

    async def count(request):
        nonlocal sent
        sent += request.method == "POST"

    request = {"name": "farm", "products": [{
        "item_ids": ["20260601_101500_11_24f1"], "item_type": "PSScene",
        "product_bundle": "analytic_8b_sr_udm2"}]}

    async def run():
        async with Session(auth=Auth.from_key(key)) as session:
            session._client.event_hooks["request"].append(count)
            created = await OrdersClient(session, base_url=f"{guard}/compute/ops").create_order(request)
            return {"id": created["id"], "sent": sent}

    return asyncio.run(run())


def refused(guard, key):
    """What a caller sees whose key is wrong."""
    try:
        list(client(guard, key).orders.list_orders())
    except planet.exceptions.APIError as error:
        return {"exception": type(error).__name__, "text": str(error)}
    return {"exception": None}


if __name__ == "__main__":
    story, guard, key = sys.argv[1:4]
    print(json.dumps(globals()[story](guard, key)))
