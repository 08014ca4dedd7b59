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
from pathlib import Path

import httpx
import planet
from planet import Auth, MosaicsClient, OrdersClient, Planet, Session, order_request, specs

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


def ten_years(guard, key):
    """The mistake that empties a plan, and what its author sees."""
    try:
        subscription(guard, key, start="2016-01-01T00:00:00Z", end="2026-01-01T00:00:00Z")
    except planet.exceptions.APIError as error:
        return {"exception": type(error).__name__, "text": str(error)}
    return {"exception": None}


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
