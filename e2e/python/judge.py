"""The published Python SDK against a running Flagstaff. Started by e2e/test/python.test.js.

Reads {"identities": [{"identifier", "traits"}], "random": N} from standard input. Prints one JSON object a line for each check;
see e2e/lib/driver.js.
"""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import flagsmith.analytics
from flagsmith import Flagsmith
from flagsmith.exceptions import FlagsmithAPIError, FlagsmithFeatureDoesNotExistError
from flagsmith.models import DefaultFlag

logging.disable(logging.CRITICAL)  # the SDK logs failures that are provoked here

ORIGIN = os.environ["FLAGSTAFF_E2E_URL"]
API = ORIGIN + "/api/v1/"
DEMO, COMPARE, LIVE = (os.environ[f"FLAGSTAFF_E2E_{name}_KEY"] for name in ("DEMO", "COMPARE", "LIVE"))
EXPECTED = json.load(open(os.path.join(os.path.dirname(__file__), "../lib/demo.json"), encoding="utf-8"))
INPUT = json.load(sys.stdin)

checks = []


def check(mode):
    """check makes a function a check; its first line of documentation is the name."""

    def add(fn):
        checks.append((mode, fn))
        return fn

    return add


def client(**options):
    return Flagsmith(**{"environment_key": DEMO, "api_url": API, **options})


def server(key):
    return "ser." + key


def shown(flags):
    return {f.feature_name: {"enabled": f.enabled, "value": f.value} for f in flags.all_flags()}


def exact(flags):
    """exact keeps 1, 1.0 and true apart, which Python's == does not."""
    return {name: json.dumps(flag) for name, flag in shown(flags).items()}


def equal(got, want):
    assert got == want and json.dumps(got, sort_keys=True) == json.dumps(want, sort_keys=True), f"got {got}, want {want}"


def fails(error, fn):
    try:
        got = fn()
    except error:
        return
    raise AssertionError(f"got {got}, want {error.__name__}")


def eventually(fn, within=10, every=0.05):
    deadline = time.monotonic() + within
    while not fn():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(every)


def change(value):
    """change sets the feature "live", as the admin API would."""
    subprocess.run(
        [os.environ["FLAGSTAFF_E2E_SEED"], "set", "-database", os.environ["FLAGSTAFF_E2E_DATABASE"],
         "-environment", LIVE, "-feature", "live", "-value", json.dumps(value)],
        check=True, stdin=subprocess.DEVNULL,
    )
    return value


def fallback(name):
    return DefaultFlag(enabled=True, value=f"no {name}")


@check("remote")
def environment_flags():
    equal(shown(client().get_environment_flags()), EXPECTED["environment"])
    equal(shown(client(environment_key=server(DEMO)).get_environment_flags()), EXPECTED["environment"] | EXPECTED["serverOnly"])


@check("remote")
def a_trait_puts_into_a_segment_and_is_stored():
    flags = shown(client().get_identity_flags("python-1", {"plan": "premium", "age": 4, "ratio": 1.0, "staff": True}))
    for name, want in EXPECTED["premium"].items():
        equal(flags[name], want)
    equal(client().get_identity_flags("python-1").get_feature_value("items_per_page"), 96)


@check("remote")
def none_deletes_a_trait():
    client().get_identity_flags("python-2", {"plan": "premium"})
    client().get_identity_flags("python-2", {"plan": None})
    equal(client().get_identity_flags("python-2").get_feature_value("items_per_page"), 24)


@check("remote")
def transient_identities_and_traits_are_not_stored():
    equal(client().get_identity_flags("python-3", {"plan": "premium"}, transient=True).get_feature_value("items_per_page"), 96)
    equal(client().get_identity_flags("python-3").get_feature_value("items_per_page"), 24)
    traits = {"plan": {"value": "premium", "transient": True}, "kept": 1}
    equal(client().get_identity_flags("python-3", traits).get_feature_value("items_per_page"), 96)
    equal(client().get_identity_flags("python-3").get_feature_value("items_per_page"), 24)


@check("remote")
def an_identity_override_wins_over_a_segment():
    override = EXPECTED["override"]
    flags = client().get_identity_flags(override["identifier"], {"plan": "premium"}, transient=True)
    equal(flags.get_feature_value("banner_text"), override["banner_text"])


@check("remote")
def the_variant_is_told():
    flags = [client().get_identity_flags(f"python-variant-{i}", transient=True).get_flag("button_colour") for i in range(40)]
    want = {"blue": "control", "green": "green", "orange": "orange"}
    for flag in flags:
        equal(flag.variant, want[flag.value])
    assert len({flag.value for flag in flags}) == 3
    equal(client().get_identity_flags("python-4").get_flag("dark_mode").variant, None)


@check("remote")
def an_unknown_feature():
    equal(client(default_flag_handler=fallback).get_environment_flags().get_feature_value("nonsense"), "no nonsense")
    fails(FlagsmithFeatureDoesNotExistError, lambda: client().get_environment_flags().get_flag("nonsense"))


@check("remote")
def a_wrong_key():
    fails(FlagsmithAPIError, client(environment_key="wrong").get_environment_flags)
    fails(FlagsmithAPIError, lambda: client(environment_key="wrong").get_identity_flags("x", {"a": 1}))
    flags = client(environment_key="wrong", default_flag_handler=fallback).get_environment_flags()
    equal(flags.get_feature_value("banner_text"), "no banner_text")


@check("remote")
def analytics_are_accepted():
    sent = []
    post = flagsmith.analytics.session.post
    flagsmith.analytics.session.post = lambda *args, **options: sent.append((options["data"], post(*args, **options)))
    try:
        counting = client(enable_analytics=True)
        flags = counting.get_environment_flags()
        for name in ("banner_text", "banner_text", "dark_mode"):
            flags.get_flag(name)
        counting._analytics_processor.flush()
    finally:
        flagsmith.analytics.session.post = post
    [(data, answer)] = sent
    equal(json.loads(data), {"banner_text": 2, "dark_mode": 1})
    equal(answer.result().status_code, 200)


@check("local")
def environment_flags_from_the_document():
    local = client(environment_key=server(DEMO), enable_local_evaluation=True)
    equal(shown(local.get_environment_flags()), EXPECTED["environment"] | EXPECTED["serverOnly"])


@check("local")
def identity_flags_from_the_document():
    local = client(environment_key=server(DEMO), enable_local_evaluation=True)
    equal(local.get_identity_flags("python", {"plan": "premium"}).get_feature_value("items_per_page"), 96)
    equal(local.get_identity_flags("python").get_feature_value("items_per_page"), 24)
    override = EXPECTED["override"]
    equal(local.get_identity_flags(override["identifier"]).get_feature_value("banner_text"), override["banner_text"])
    assert "premium_customers" in [s.name for s in local.get_identity_segments("python", {"plan": "premium"})]


@check("local")
def polling_brings_a_change():
    local = client(environment_key=server(LIVE), enable_local_evaluation=True, environment_refresh_interval_seconds=0.2)
    value = change(f"python polls {os.getpid()}")
    eventually(lambda: local.get_environment_flags().get_feature_value("live") == value)
    local.environment_data_polling_manager_thread.stop()


@check("local")
def a_realtime_event_brings_a_change():
    local = client(
        environment_key=server(LIVE), enable_local_evaluation=True, enable_realtime_updates=True, realtime_api_url=ORIGIN,
    )
    for i in range(2):
        value = change(f"python listens {os.getpid()} {i}")
        eventually(lambda: local.get_environment_flags().get_feature_value("live") == value)
    local.event_stream_thread.stop()


@check("local")
def a_client_side_key_is_refused():
    fails(ValueError, lambda: client(enable_local_evaluation=True))


def compare(identities):
    """compare asks the server and the SDK's own engine, which is the reference, about every feature for each identity."""
    remote = client(environment_key=server(COMPARE))
    local = client(environment_key=server(COMPARE), enable_local_evaluation=True, environment_refresh_interval_seconds=3600)

    def one(identity):
        identifier, traits = identity["identifier"], identity["traits"]
        return exact(local.get_identity_flags(identifier, traits)), exact(remote.get_identity_flags(identifier, traits, transient=True))

    differences, compared = [], 0
    with ThreadPoolExecutor(4) as pool:
        for identity, (here, there) in zip(identities, pool.map(one, identities)):
            compared += len(here)
            for name in here.keys() | there.keys():
                if here.get(name) != there.get(name):
                    differences.append(f"{name}: local {here.get(name)}, remote {there.get(name)}, for {json.dumps(identity)[:700]}")
    more = f" (FLAGSTAFF_E2E_RANDOM={INPUT['random']})"
    assert not differences, f"{len(differences)} of {compared} differ{more}:\n" + "\n".join(differences[:10])
    return f"{compared} flags compared"


@check("remote = local")
def identities_as_for_the_other_engines():
    return compare(INPUT["identities"])


@check("remote = local")
def identities_with_traits_on_which_only_the_reference_agrees():
    draw = random.Random(INPUT["random"])
    names = ["plan", "age", "score", "beta", "city", "nickname", "email", "country", "visits", "cohort", "app_version", "api_version"]
    odd = [
        "1.10", "1.1", "01", "007", "-0", "-7", "+1", "1e3", ".5", "5.", " 1", "1_0", "42", "42.0", "18", "18.0", "12.5", "-1.25", "30.5",
        "٤٢", "9" * 30, "true", "True", "false", "None", "nan", "inf", "", "a,b", "DE", "pro", "team", "free,pro", "M", "Zürich",
        "v1.4.0", " 1.4.0", "1.4", "1.4.0", "1.4.0+x", "1.4.0-rc.1", "1.4.0-rc.01", "2.0.0", "2.0.0-alpha.10", "99999999999999999999.0.0",
        "anna@example.com", "anna@example.com\n", "x+y@example.com", "\U0001f600", "\uff5e", "a\nb",
        0, 1, -1, 2, 4, 18, 19, 29, 30, 31, 42, -5, 2**31 - 1, -(2**31), 2**53 + 1,
        0.0, -0.0, 1.0, 2.5, 3.0, 5.5, 12.5, -1.25, 18.0, 42.0, 0.1, -2.5, 1e16, 1e-5, 1e100, True, False, None,
    ]
    spelling = ["{}", "user-{}@example.com", "00{}", "{}.50", "-{}", "Größe {}", "a\n{}", "[{}]", "{}e3", '"{}"']
    identities = [
        {
            "identifier": draw.choice(spelling).format(10_000 + i),
            "traits": {name: draw.choice(odd) for name in names if draw.random() < 0.85},
        }
        for i in range(INPUT["odd"])
    ]
    return compare(identities)


origin, pid = os.environ["FLAGSTAFF_E2E_SPARE_PYTHON"].split()
stopped = {"api_url": origin + "/api/v1/"}
survivor = []


@check("server stopped")
def before_it_answers():
    survivor.append(client(**stopped, environment_key=server(DEMO), enable_local_evaluation=True, environment_refresh_interval_seconds=0.2))
    equal(survivor[0].get_identity_flags("x", {"plan": "premium"}).get_feature_value("items_per_page"), 96)


@check("server stopped")
def remote_an_error_or_the_default_handler():
    os.kill(int(pid), signal.SIGTERM)

    def refused():
        try:
            client(**stopped).get_environment_flags()
        except FlagsmithAPIError:
            return True

    eventually(refused)
    flags = client(**stopped, default_flag_handler=fallback).get_identity_flags("x", {"a": 1})
    equal(flags.get_feature_value("banner_text"), "no banner_text")


@check("server stopped")
def local_evaluation_goes_on():
    survivor[0].update_environment()
    equal(survivor[0].get_identity_flags("x", {"plan": "premium"}).get_feature_value("items_per_page"), 96)


for mode, fn in checks:
    line = {"mode": mode, "check": fn.__name__.replace("_", " "), "ok": True}
    began = time.monotonic()
    try:
        line["note"] = fn()
    except Exception:
        line.update(ok=False, error=traceback.format_exc())
    line["ms"] = round((time.monotonic() - began) * 1000)
    print(json.dumps(line), flush=True)
print(json.dumps({"done": True}), flush=True)
os._exit(0)  # pollers and streams of the SDK would go on
