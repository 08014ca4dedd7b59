"""What a data scientist does with the real `sentinelhub` SDK, through the guard.

Usage: sentinelhub_stories.py STORY GUARD_URL KEY, where GUARD_URL ends with the mount. Prints one JSON
object; the Rust side asserts on it.

Built-in collections carry a service URL of their own that beats `sh_base_url`, so each is redefined
with the guard's; the key stands in for the token.
"""

import json
import sys
import time

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sentinelhub import (
    CRS, BatchProcessClient, BBox, DataCollection, MimeType, SentinelHubCatalog, SentinelHubDownloadClient,
    SentinelHubRequest, SentinelHubSession, SentinelHubStatistical, SHConfig,
)
from sentinelhub.exceptions import DownloadFailedException

NDVI = """//VERSION=3
function setup() {
  return { input: ["B04", "B08", "dataMask"], output: { bands: 1 } };
}
function evaluatePixel(s) { return [(s.B08 - s.B04) / (s.B08 + s.B04)]; }
"""
STATISTICS = """//VERSION=3
function setup() {
  return { input: [{ bands: ["B04", "B08", "dataMask"] }],
           output: [{ id: "ndvi", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(s) { return { ndvi: [0.5], dataMask: [s.dataMask] }; }
"""
BOX = BBox((14.50, 46.00, 14.51, 46.01), CRS.WGS84)
JUNE = ("2026-06-01", "2026-06-30")


def configure(guard, key):
    token = {"access_token": key, "expires_at": time.time() + 3600}
    SentinelHubDownloadClient.cache_session(SentinelHubSession.from_token(token), universal=True)
    config = SHConfig(use_defaults=True)
    config.sh_base_url = guard
    config.max_download_attempts = 1
    return config


def collection(guard):
    return DataCollection.SENTINEL2_L2A.define_from("guarded_s2_l2a", service_url=guard)


def process(guard, key, size=(512, 512)):
    config = configure(guard, key)
    request = SentinelHubRequest(
        evalscript=NDVI,
        input_data=[SentinelHubRequest.input_data(collection(guard), time_interval=JUNE)],
        responses=[SentinelHubRequest.output_response("default", MimeType.PNG)],
        bbox=BOX, size=size, config=config)
    (image,) = request.get_data()
    return {"shape": list(image.shape)}


def statistical(guard, key):
    config = configure(guard, key)
    request = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=STATISTICS, time_interval=JUNE, aggregation_interval="P1D", size=(100, 100)),
        input_data=[SentinelHubStatistical.input_data(collection(guard))],
        bbox=BOX, config=config)
    (answer,) = request.get_data()
    return {"status": answer["status"], "intervals": len(answer["data"])}


def catalog(guard, key):
    config = configure(guard, key)
    found = list(SentinelHubCatalog(config=config).search(
        DataCollection.SENTINEL2_L2A, bbox=BOX, time=("2024-01-01", "2026-06-30")))
    return {"items": len(found), "distinct": len({item["id"] for item in found})}


def batch(guard, key):
    """Creates a batch, has it analysed, starts it and looks at it."""
    client = BatchProcessClient(config=configure(guard, key))
    request = SentinelHubRequest(
        evalscript=NDVI,
        input_data=[SentinelHubRequest.input_data(collection(guard), time_interval=JUNE)],
        responses=[SentinelHubRequest.output_response("default", MimeType.TIFF)],
        bbox=BOX, config=client.config)
    created = client.create(
        request, input=client.tiling_grid_input(grid_id=0, resolution=10.0, buffer_x=10, buffer_y=10),
        output=client.raster_output(client.s3_specification(
            "s3://bucket/results", iam_role_arn="arn:aws:iam::1:role/r")), description="fields")
    client.start_analysis(created)
    client.start_job(created)
    return {"status": client.get_request(created).status.value}


def exchanged(guard, key):
    """Client id and secret, nothing else: the SDK fetches the guard's token and works with it."""
    config = SHConfig(use_defaults=True)
    config.sh_base_url = guard
    config.sh_token_url = f"{guard}/auth/realms/main/protocol/openid-connect/token"
    config.sh_client_id, config.sh_client_secret = "ag", key
    request = SentinelHubRequest(
        evalscript=NDVI,
        input_data=[SentinelHubRequest.input_data(collection(guard), time_interval=JUNE)],
        responses=[SentinelHubRequest.output_response("default", MimeType.PNG)],
        bbox=BOX, size=(512, 512), config=config)
    try:
        (image,) = request.get_data()
    except Exception as error:  # the token endpoint's refusals are oauthlib's, not the SDK's
        return {"exception": type(error).__name__, "text": str(error)}
    session = SentinelHubSession(config)
    return {"shape": list(image.shape), "expires_in": session.token["expires_in"]}


def refused(guard, key):
    """What a caller sees when a budget does not allow the image."""
    try:
        return process(guard, key, size=(2500, 2500))
    except DownloadFailedException as error:
        return {"exception": type(error).__name__, "text": str(error)}


def hurried(guard, key):
    """Upstream finds the first call too fast: how long the SDK waits before its next."""
    started = time.monotonic()
    told = process(guard, key)
    return {**told, "seconds": time.monotonic() - started}


def hurried_without_sdk(guard, key):
    """The same with `requests`, whose Retry takes the number for seconds."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=2, status_forcelist=[429])))
    started = time.monotonic()
    answer = session.get(f"{guard}/api/v1/catalog/1.0.0/collections",
                         headers={"Authorization": f"Bearer {key}"}, timeout=60)
    return {"status": answer.status_code, "seconds": time.monotonic() - started}


if __name__ == "__main__":
    story, guard, key = sys.argv[1:4]
    print(json.dumps(globals()[story](guard, key)))
