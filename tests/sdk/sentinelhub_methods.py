"""Every public method of every client of the `sentinelhub` SDK, through the guard, each by name.

Usage: sentinelhub_methods.py every_method GUARD_URL KEY, where GUARD_URL ends with the mount. The list of methods is read
from the installed SDK, so that a method which no story here calls makes the run fail. Each story asserts
what a method returns, and what the guard said that it costs; a call outside of `costs` must be free.
"""

import dataclasses
import enum
import inspect
import json
import os
import sys
import tempfile
import warnings
from decimal import Decimal
from types import SimpleNamespace

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the guard speaks HTTP here; over TLS it has a story of its own

import sentinelhub
from sentinelhub import (
    AsyncProcessRequest, BatchProcessClient, ByocCollection, ByocTile, CustomUrlParam, DataCollection,
    DownloadClient, DownloadRequest, MimeType, SentinelHubBatchStatistical, SentinelHubBYOC, SentinelHubCatalog,
    SentinelHubDownloadClient, SentinelHubRequest, SentinelHubSession, SentinelHubStatistical,
    SentinelHubStatisticalDownloadClient, SHConfig, WcsRequest, WebFeatureService, WmsRequest,
)

from sentinelhub_stories import BOX, JUNE, NDVI, STATISTICS, collection
from witness import Witness, public_methods

INSTANCE = "0b1c2d3e-0001-4000-8000-000000000001"
ROLE = {"iam_role_arn": "arn:aws:iam::1:role/r"}
WEEK = ("2026-06-01", "2026-06-07")
SIDE = (512, 512)
PROCESS_PU = Decimal("0.666667")  # 512 x 512 pixels of two bands
STATISTICS_PU = Decimal("1.475017")  # 100 x 100 pixels of two bands as floats, on 29 days
ASYNC_PU = (10, "10.01")  # never less than ten, and what it takes to bring the picture to its bucket
# they ask opensearch.sentinel-hub.com, an open index of another time; geopedia and AWS are hosts of others too
OTHER_HOSTS = {"get_area_dates", "get_area_info", "get_tile_info", "get_tile_info_id"}
# it reads whatever comes as statistics, XML too, so that it works nowhere
BROKEN = {"SentinelHubStatisticalDownloadClient.get_xml"}


def offered():
    """The methods of the classes, and the functions, by which `sentinelhub` speaks with Sentinel Hub."""
    def ours(thing):
        return thing.__module__.startswith(("sentinelhub.api", "sentinelhub.download"))

    classes = [one for _, one in inspect.getmembers(sentinelhub, inspect.isclass)
               if ours(one) and not dataclasses.is_dataclass(one) and not issubclass(one, enum.Enum)]
    functions = {name for name, one in inspect.getmembers(sentinelhub, inspect.isfunction) if ours(one)}
    return (public_methods(classes) | functions) - OTHER_HOSTS - BROKEN


def configure(guard, key):
    config = SHConfig(use_defaults=True)
    config.sh_base_url, config.instance_id = guard, INSTANCE
    config.sh_token_url = f"{guard}/auth/realms/main/protocol/openid-connect/token"
    config.sh_client_id, config.sh_client_secret = "ag", key
    config.max_download_attempts = 1
    return config


def with_key_in_address(config, key):
    """The OGC classes and the catalogue's first pages send no token: the key stands in the address, as its user."""
    keyed = config.copy()
    keyed.sh_base_url = config.sh_base_url.replace("://", f"://{key}:@")
    return keyed


def sessions(sdk, witness, folder):
    """A token of the guard's is taken apart, kept and found again, as Sentinel Hub's own are."""
    session = SentinelHubSession(sdk.config)
    assert witness.watch(session).info()["azp"] == "ag"
    same = witness.watch(SentinelHubSession).from_token(session.token)
    assert same.session_headers == session.session_headers
    for client in (SentinelHubDownloadClient, SentinelHubStatisticalDownloadClient):
        watched = witness.watch(client)
        watched.clear_cache()
        watched.cache_session(session)
        kept = witness.watch(client(config=sdk.config))
        assert kept.get_session() is session, "found by the client's id"


def downloads(sdk, witness, folder):
    """The clients below everything else, with and without a session."""
    lists = f"{sdk.config.sh_base_url}/api/v1/byoc/collections"
    for client in (SentinelHubDownloadClient, SentinelHubStatisticalDownloadClient):
        watched = witness.watch(client(config=sdk.config))
        assert watched.get_json(lists, use_session=True) == watched.get_json_dict(lists, use_session=True)
    assert capabilities(witness.watch(SentinelHubDownloadClient(config=sdk.config)), sdk) == "Capabilities"
    image, statistics = sdk.process().get_download_list(), sdk.statistical().get_download_list()
    with witness.costs(pu=PROCESS_PU):
        [picture] = witness.watch(SentinelHubDownloadClient(config=sdk.config)).download(image)
    assert picture.shape[:2] == (64, 64)
    with witness.costs(pu=STATISTICS_PU):
        [answer] = witness.watch(SentinelHubStatisticalDownloadClient(config=sdk.config)).download(statistics)
    assert answer["status"] == "OK"
    bare = witness.watch(DownloadClient(config=sdk.config))
    landing = f"{sdk.keyed.sh_base_url}/api/v1/catalog/1.0.0"
    assert bare.get_json(landing)["type"] == "Catalog" == bare.get_json_dict(landing)["type"]
    assert capabilities(bare, sdk) == "Capabilities"
    [whole] = bare.download([DownloadRequest(url=landing, data_type=MimeType.JSON)])
    assert whole["type"] == "Catalog"


def capabilities(client, sdk):
    """With the address that the layers have here, and not upstream."""
    root = client.get_xml(f"{sdk.keyed.sh_base_url}/ogc/wms/{INSTANCE}?SERVICE=WMS&REQUEST=GetCapabilities")
    [resource] = [one for one in root.iter() if one.tag.endswith("OnlineResource")]
    assert list(resource.attrib.values())[0].startswith(sdk.config.sh_base_url)
    return root.tag.rsplit("}", 1)[-1]


def prepared(watched):
    """What a request tells of itself before it is sent."""
    watched.create_request()
    assert watched.is_valid_request()
    assert len(watched.get_download_list()) == len(watched.get_url_list()) == len(watched.get_filename_list()) > 0


def process(sdk, witness, folder):
    make = witness.watch(SentinelHubRequest)
    data = make.input_data(sdk.collection, time_interval=JUNE)
    response = make.output_response("default", MimeType.PNG)
    body = make.body(make.bounds(BOX), [data], NDVI, make.output([response], size=SIDE))
    watched = witness.watch(SentinelHubRequest(
        evalscript=NDVI, input_data=[data], responses=[response], bbox=BOX, size=SIDE, data_folder=folder,
        config=sdk.config))
    assert watched.payload == body
    prepared(watched)
    with witness.costs(pu=PROCESS_PU):
        [image] = watched.get_data()
    assert image.shape[:2] == (64, 64), "the simulator's pictures are small, whatever their price"
    with witness.costs(pu=PROCESS_PU):
        watched.save_data()
    assert watched.get_data()[0].shape == image.shape, "read from the disk, and free"


def statistical(sdk, witness, folder):
    make = witness.watch(SentinelHubStatistical)
    data = make.input_data(sdk.collection)
    aggregation = make.aggregation(STATISTICS, JUNE, "P1D", size=(100, 100))
    body = make.body(make.bounds(BOX), [data], aggregation, None)
    watched = witness.watch(SentinelHubStatistical(
        aggregation=aggregation, input_data=[data], bbox=BOX, data_folder=folder, config=sdk.config))
    assert watched.payload == body
    prepared(watched)
    with witness.costs(pu=STATISTICS_PU):
        [answer] = watched.get_data()
    assert answer["status"] == "OK" and answer["data"]
    with witness.costs(pu=STATISTICS_PU):
        watched.save_data()
    assert watched.get_data() == [answer], "read from the disk, and free"


def asynchronous(sdk, witness, folder):
    make = witness.watch(AsyncProcessRequest)
    data = make.input_data(sdk.collection, time_interval=JUNE)
    response = make.output_response("default", MimeType.TIFF)
    delivery = make.s3_specification("s3://bucket/results", **ROLE)
    body = make.body(make.bounds(BOX), [data], NDVI, None, make.output([response], delivery, size=SIDE))
    watched = witness.watch(AsyncProcessRequest(
        evalscript=NDVI, input_data=[data], responses=[response], delivery=delivery, bbox=BOX, size=SIDE,
        data_folder=folder, config=sdk.config))
    assert watched.payload == body
    prepared(watched)
    with witness.costs(pu=ASYNC_PU):
        [job] = watched.get_data()
    with witness.costs(pu=ASYNC_PU):
        watched.save_data(redownload=True)
    running = [witness.called("get_async_running_status", lambda: sentinelhub.get_async_running_status(
        [job["id"]], config=sdk.config))[job["id"]] for _ in range(2)]
    assert running == [True, False], "a job that is done is gone"


def catalog(sdk, witness, folder):
    first = witness.watch(SentinelHubCatalog(config=sdk.keyed))
    assert first.get_info()["type"] == "Catalog" and "conformsTo" in first.get_conformance()
    catalog = witness.watch(SentinelHubCatalog(config=sdk.config), list_of_pages)
    known = [one["id"] for one in catalog.get_collections()]
    assert catalog.get_collection(DataCollection.SENTINEL2_L2A)["id"] in known
    with witness.costs(pu=("0.60", "0.66")):  # two pages over thirty months
        found = catalog.search(DataCollection.SENTINEL2_L2A, bbox=BOX, time=("2024-01-01", "2026-06-30"))
    assert len(found) > 100 and len({item["id"] for item in found}) == len(found)
    with witness.costs(pu="0.01"):
        one = catalog.get_feature(DataCollection.SENTINEL2_L2A, found[0]["id"])
    assert one["id"] == found[0]["id"]


def list_of_pages(result):
    """Brings an iterator over pages to its end."""
    return list(result) if hasattr(result, "__next__") else result


def batch(sdk, witness, folder):
    """A batch to its end: starting is what costs."""
    client = BatchProcessClient(config=sdk.config)
    watched = witness.watch(client, list_of_pages)
    grids = watched.iter_tiling_grids(count=2)
    assert len(grids) == 5 and watched.get_tiling_grid(grids[0]["id"]) == grids[0]
    delivery = watched.s3_specification("s3://bucket/results", **ROLE)
    grid = watched.tiling_grid_input(grid_id=0, resolution=10.0, buffer_x=10, buffer_y=10)
    request = sdk.process(MimeType.TIFF)
    created = watched.create(request, input=grid, output=watched.raster_output(delivery), description="fields")
    features = watched.geopackage_input(watched.s3_specification("s3://bucket/fields.gpkg", **ROLE))
    other = watched.create(request, input=features, output=watched.zarr_output(delivery))
    watched.update_request(created, "blocks")
    listed = watched.iter_requests(count=1)
    assert {one.request_id for one in listed} == {created.request_id, other.request_id}
    watched.start_analysis(created)
    watched.get_request(created)
    witness.called("monitor_batch_process_analysis", lambda: sentinelhub.monitor_batch_process_analysis(created, client))
    with witness.costs(pu=100):
        watched.start_job(created)
    watched.get_request(created)
    done = witness.called("monitor_batch_process_job", lambda: sentinelhub.monitor_batch_process_job(created, client))
    assert done.status.value == "DONE" and done.cost_PU > 0
    watched.stop_job(other)
    assert watched.get_request(other).status.value == "STOPPED"


def batch_statistical(sdk, witness, folder):
    client = SentinelHubBatchStatistical(config=sdk.config)
    watched = witness.watch(client)
    features = watched.s3_specification("s3://bucket/fields.gpkg", **ROLE)
    output = watched.s3_specification("s3://bucket/results", **ROLE)
    plain = sdk.statistical()
    created = watched.create(
        input_features=features, input_data=plain.payload["input"]["data"],
        aggregation=plain.payload["aggregation"], calculations=None, output=output)
    plain.payload.setdefault("calculations", {})
    other = watched.create_from_request(plain, input_features=features, output=output)
    assert watched.get_request(created).status.value == "CREATED"
    watched.start_analysis(created)
    watched.get_status(created)
    witness.called("monitor_batch_statistical_analysis",
                   lambda: sentinelhub.monitor_batch_statistical_analysis(created, sdk.config))
    with witness.costs(pu=2000):  # nobody sees into the bucket: as the policy's [[bounds]] say
        watched.start_job(created)
    watched.get_status(created)
    done = witness.called("monitor_batch_statistical_job",
                          lambda: sentinelhub.monitor_batch_statistical_job(created, sdk.config))
    assert done["status"] == "DONE" and done["costPU"] > 0
    watched.stop_job(other)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watched.cancel_job(other)
    assert watched.get_status(other)["status"] == "STOPPED"


def byoc(sdk, witness, folder):
    """Each write costs one unit; reading is free, over however many pages."""
    byoc = witness.watch(SentinelHubBYOC(config=sdk.config), list_of_pages)
    with witness.costs(pu=2):
        one, other = (byoc.create_collection(ByocCollection(name=name, s3_bucket="b")) for name in ("ours", "theirs"))
    assert byoc.get_collection(one)["name"] == "ours"
    with witness.costs(pu=1):
        byoc.update_collection({**one, "name": "mine"})
    assert {each["name"] for each in byoc.iter_collections(count=1)} == {"mine", "theirs"}
    with witness.costs(pu=3):
        tiles = [byoc.create_tile(one, ByocTile(path=f"folder/{number}/(BAND).tif")) for number in range(3)]
    assert len(byoc.iter_tiles(one, count=2)) == 3
    with witness.costs(pu=1):
        byoc.update_tile(one, {**tiles[0], "path": "folder/9/(BAND).tif"})
    assert byoc.get_tile(one, tiles[0])["path"] == "folder/9/(BAND).tif"
    with witness.costs(pu=4):
        byoc.reingest_tile(one, tiles[0])
        byoc.copy_tiles(one, other)
        byoc.delete_tile(one, tiles[0])
        byoc.delete_collection(other)
    assert len(byoc.iter_tiles(one)) == 2


def ogc(sdk, witness, folder):
    """What exists is asked of the WFS, once and by the month; then each image costs."""
    script = {CustomUrlParam.EVALSCRIPT: NDVI}
    kinds = [(WmsRequest, {"width": 512, "height": 512}, PROCESS_PU),
             (WcsRequest, {"resx": "10m", "resy": "10m"}, Decimal("0.031902"))]
    for kind, size, image_pu in kinds:
        with witness.costs(pu="0.01"):
            request = kind(layer="TRUE_COLOR", bbox=BOX, time=WEEK, data_collection=sdk.keyed_collection,
                           custom_url_params=script, data_folder=folder, config=sdk.keyed, **size)
        watched = witness.watch(request)
        prepared(watched)
        dates = watched.get_dates()
        with witness.costs(pu=len(dates) * image_pu):
            images = watched.get_data()
        assert len(images) == len(dates) == len(list(watched.get_tiles())) > 0
        with witness.costs(pu=len(dates) * image_pu):
            watched.save_data(redownload=True)
    with witness.costs(pu=("0.60", "0.66")):
        found = witness.watch(WebFeatureService(
            BOX, ("2024-01-01", "2026-06-30"), data_collection=sdk.keyed_collection, config=sdk.keyed))
        assert len(found.get_dates()) == len(found.get_geometries()) == len(found.get_tiles()) > 100


STORIES = [sessions, downloads, process, statistical, asynchronous, catalog, batch, batch_statistical, byoc, ogc]


def every_method(guard, key):
    config, guarded = configure(guard, key), collection(guard)
    keyed = with_key_in_address(config, key)

    def process(kind=MimeType.PNG):
        return SentinelHubRequest(
            evalscript=NDVI, input_data=[SentinelHubRequest.input_data(guarded, time_interval=JUNE)],
            responses=[SentinelHubRequest.output_response("default", kind)], bbox=BOX, size=SIDE, config=config)

    def statistical():
        return SentinelHubStatistical(
            aggregation=SentinelHubStatistical.aggregation(STATISTICS, JUNE, "P1D", size=(100, 100)),
            input_data=[SentinelHubStatistical.input_data(guarded)], bbox=BOX, config=config)

    sdk = SimpleNamespace(
        config=config, collection=guarded, keyed=keyed, process=process, statistical=statistical,
        keyed_collection=DataCollection.SENTINEL2_L2A.define_from("keyed_s2_l2a", service_url=keyed.sh_base_url))
    witness = Witness().listen()
    for story in STORIES:
        with tempfile.TemporaryDirectory() as folder:
            story(sdk, witness, folder)
    methods = offered()
    return {"offered": len(methods), "not_called": sorted(methods - witness.exercised),
            "not_offered": sorted(witness.exercised - methods)}


if __name__ == "__main__":
    story, guard, key = sys.argv[1:4]
    print(json.dumps(globals()[story](guard, key)))
