"""What a person sees when a budget does not allow a call: each way to spend, over budget, once.

Usage: refusals.py planet_sdk|sentinelhub_sdk GUARD_URL KEY. Prints for each method what was raised, its text, and how
many requests the SDK sent until it gave up.
"""

import json
import sys
import tempfile
from pathlib import Path

import httpx
import planet
from click.testing import CliRunner
from planet import Auth, Planet, Session
from planet.cli.cli import main
from planet.sync.mosaics import MosaicsAPI
from requests.adapters import HTTPAdapter
from sentinelhub import (
    AsyncProcessRequest, BatchProcessClient, ByocCollection, DataCollection, MimeType, SentinelHubBYOC,
    SentinelHubCatalog, SentinelHubRequest, SentinelHubStatistical, WmsRequest,
)
from sentinelhub.exceptions import DownloadFailedException

from planet_methods import ITEM, subscription
from planet_stories import FIELD, preset_bundles
from sentinelhub_methods import INSTANCE, ROLE, WEEK, with_key_in_address
from sentinelhub_stories import BOX as FIELD_BOX, JUNE, NDVI, STATISTICS, collection, configure

sent = 0


def count(owner, name):
    """Counts what goes out by a method of an HTTP library."""
    plain = getattr(owner, name)

    def counted(*args, **more):
        global sent
        sent += 1
        return plain(*args, **more)

    setattr(owner, name, counted)


def refused(call, exceptions):
    """The exception that a call ends with, and what came before it."""
    global sent
    sent = 0
    try:
        call()
    except exceptions as error:
        return {"exception": type(error).__name__, "text": str(error), "sent": sent}
    return {"exception": None, "sent": sent}


def planet_sdk(guard, key):
    preset_bundles(guard, key)
    count(httpx.AsyncClient, "send")
    pl = Planet(Session(auth=Auth.from_key(key)), base_url=guard)
    quads = MosaicsAPI(Session(auth=Auth.from_key(key)), f"{guard}/basemaps/v1")
    order = {"name": "farm", "products": [
        {"item_ids": [ITEM], "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]}
    asset = pl.data.get_asset("PSScene", ITEM, "ortho_visual")
    quad = quads.get_quad(quads.get_mosaic("global_monthly_2026_07_mosaic"), "1103-1319")
    areas = pl.features.create_collection(title="Fields")
    [area] = pl.features.add_items(areas, {"type": "Feature", "geometry": FIELD, "properties": {}})
    product = next(pl.quota.list_products())["id"]
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "create_order": lambda: pl.orders.create_order(order),
            "activate_asset": lambda: pl.data.activate_asset(asset),
            "create_subscription": lambda: pl.subscriptions.create_subscription(subscription("field")),
            "bulk_create_subscriptions": lambda: pl.subscriptions.bulk_create_subscriptions([subscription("a")]),
            "create_reservation": lambda: pl.quota.create_reservation([area], product),
            "bulk_create_reservations": lambda: pl.quota.bulk_create_reservations([area], product),
            "download_quad": lambda: quads.download_quad(quad, directory=folder),
        }
        told = {name: refused(call, planet.exceptions.APIError) for name, call in ways.items()}
        assert not list(Path(folder).glob("*.tif"))
    return {**told, "planet orders create": refused_at_the_shell(guard, key, order)}


def refused_at_the_shell(guard, key, order):
    global sent
    sent = 0
    arguments = ["--auth-api-key", key, "orders", "-u", f"{guard}/compute/ops", "create", "-"]
    shell = CliRunner().invoke(main, arguments, input=json.dumps(order))
    return {"exception": f"exit code {shell.exit_code}", "text": shell.output, "sent": sent}


def sentinelhub_sdk(guard, key):
    count(HTTPAdapter, "send")
    config = configure(guard, key)
    config.max_download_attempts = 4  # as it is where nobody says otherwise
    config.instance_id = INSTANCE
    keyed = with_key_in_address(config, key)
    layer = DataCollection.SENTINEL2_L2A.define_from("keyed_s2_l2a", service_url=keyed.sh_base_url)
    data = [SentinelHubRequest.input_data(collection(guard), time_interval=JUNE)]
    picture = dict(evalscript=NDVI, input_data=data, bbox=FIELD_BOX, size=(512, 512), config=config,
                   responses=[SentinelHubRequest.output_response("default", MimeType.TIFF)])
    statistics = SentinelHubStatistical.aggregation(STATISTICS, JUNE, "P1D", size=(100, 100))
    delivery = AsyncProcessRequest.s3_specification("s3://bucket/results", **ROLE)
    batches = BatchProcessClient(config=config)
    batch = batches.create(
        SentinelHubRequest(**picture), input=batches.tiling_grid_input(grid_id=0, resolution=10.0),
        output=batches.raster_output(delivery))
    ways = {
        "SentinelHubRequest": lambda: SentinelHubRequest(**picture).get_data(),
        "SentinelHubStatistical": lambda: SentinelHubStatistical(
            aggregation=statistics, input_data=data, bbox=FIELD_BOX, config=config).get_data(),
        "AsyncProcessRequest": lambda: AsyncProcessRequest(**picture, delivery=delivery).get_data(),
        "SentinelHubCatalog": lambda: list(SentinelHubCatalog(config=config).search(
            DataCollection.SENTINEL2_L2A, bbox=FIELD_BOX, time=JUNE)),
        "BatchProcessClient": lambda: batches.start_job(batch),
        "SentinelHubBYOC": lambda: SentinelHubBYOC(config=config).create_collection(
            ByocCollection(name="ours", s3_bucket="b")),
        "WmsRequest": lambda: WmsRequest(
            layer="TRUE_COLOR", bbox=FIELD_BOX, time=WEEK, width=512, height=512, data_collection=layer,
            config=keyed).get_data(),
    }
    return {name: refused(call, DownloadFailedException) for name, call in ways.items()}


if __name__ == "__main__":
    sdk, guard, key = sys.argv[1:4]
    print(json.dumps(globals()[sdk](guard, key)))
