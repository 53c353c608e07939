#!/usr/bin/env python3
"""Checks deploy/ and the Dockerfile: files parse, names agree with each other and with the settings, programs accept their files.

Needs PyYAML. nginx, caddy and systemd-analyze check their files where they are installed; --all fails without them.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SETTINGS = tomllib.loads((ROOT / "config/default.toml").read_text())
DRAIN_SECONDS = int(SETTINGS["server"]["drain_timeout"].removesuffix("s"))
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "MINIO_ROOT_USER", "AWS_SECRET_ACCESS_KEY": "MINIO_ROOT_PASSWORD"}
PROBES = ("/health", "/livez", "/readyz")


def check(holds, promise):
    if not holds:
        sys.exit(f"deploy: {promise}")


def settings_exist(text, name):
    """Every BYTEFIT_SECTION__KEY in the file is a setting."""
    for variable in re.findall(r"BYTEFIT_([A-Z_]+__[A-Z_]+)", text):
        section, key = variable.removesuffix("_FILE").lower().split("__", 1)
        check(key in SETTINGS.get(section, {}), f"{name}: {section}.{key} is no setting")


def compose():
    services = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["services"]
    instances = {name: service for name, service in services.items() if name.startswith("bytefit-")}
    check(len(instances) == 3, "docker-compose.yml has three instances")
    for name, service in instances.items():
        grace = int(service["stop_grace_period"].removesuffix("s"))
        check(grace > DRAIN_SECONDS, f"{name} is stopped before it has drained")
    upstreams = set(re.findall(r"server (bytefit-\d):8080", (DEPLOY / "nginx/nginx.conf").read_text()))
    check(upstreams == set(instances), "nginx.conf and docker-compose.yml name the same instances")


def objects():
    """What docker-compose.objects.yml puts over docker-compose.yml."""
    base = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["services"]
    services = yaml.safe_load((DEPLOY / "docker-compose.objects.yml").read_text())["services"]
    instances = [name for name in base if name.startswith("bytefit-")]
    for name in instances:
        check(name in services, f"docker-compose.objects.yml has {name}")
        environment = base[name]["environment"] | services[name]["environment"]
        check(not environment["BYTEFIT_BATCH__DIR"], f"{name} keeps batches in one place")
        check(environment["BYTEFIT_BATCH__REDIS_URL"], f"{name} shares the store")
        url = urllib.parse.urlsplit(environment["BYTEFIT_BATCH__STORE_URL"])
        endpoint = urllib.parse.urlsplit(urllib.parse.parse_qs(url.query)["endpoint"][0])
        check(endpoint.hostname in services, f"the endpoint of {name} is a service")
        check(f"store/{url.netloc};" in services["bucket"]["entrypoint"][-1], f"the bucket of {name} is made")
        check(services[name]["depends_on"]["bucket"], f"{name} waits for its bucket")
        for key, store_key in CREDENTIALS.items():
            check(environment[key] == services["store"]["environment"][store_key], f"{name} has the {key} of the store")


def kubernetes():
    text = (DEPLOY / "kubernetes/bytefit.yaml").read_text()
    documents = {document["kind"]: document for document in yaml.safe_load_all(text)}
    deployment = documents["Deployment"]["spec"]
    pod = deployment["template"]
    labels = pod["metadata"]["labels"]
    check(deployment["selector"]["matchLabels"] == labels, "the Deployment selects its pods")
    check(documents["Service"]["spec"]["selector"] == labels, "the Service selects the pods")
    check(documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels, "the budget selects the pods")
    target = documents["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    check(target["name"] == documents["Deployment"]["metadata"]["name"], "the autoscaler scales the Deployment")
    (container,) = pod["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        check(container[probe]["httpGet"]["path"] in PROBES, f"{probe} asks a probe")
    stopping = container["lifecycle"]["preStop"]["sleep"]["seconds"] + DRAIN_SECONDS
    check(pod["spec"]["terminationGracePeriodSeconds"] > stopping, "a pod is stopped before it has drained")


def dockerfile():
    """Before the sources are there, the image has a file for each target that the manifest names."""
    text = (ROOT / "Dockerfile").read_text()
    stubs = re.search(r"^RUN (mkdir -p src .*?) \\\n +&& cargo build", text, re.S | re.M).group(1)
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "Cargo.toml", folder)
        subprocess.run(["sh", "-e", "-c", stubs], cwd=folder, check=True)
        for kind, place in {"test": "tests", "bench": "benches"}.items():
            for name in (target["name"] for target in manifest[kind]):
                check((pathlib.Path(folder) / place / f"{name}.rs").exists(), f"Dockerfile: the {kind} {name} has no file")


def accepted(program, arguments, text, name):
    """The program accepts the file."""
    if not shutil.which(program):
        check("--all" not in sys.argv, f"{program} is not installed")
        return print(f"{program} is not installed: {name} is not checked by it")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        path.write_text(text)
        result = subprocess.run([program, *arguments, path], capture_output=True, text=True)
    check(result.returncode == 0, f"{name}: {result.stdout}{result.stderr}")


def main():
    for path in [*DEPLOY.glob("**/*.yml"), *DEPLOY.glob("**/*.yaml"), *DEPLOY.glob("**/*.service")]:
        settings_exist(path.read_text(), path.name)
    compose()
    objects()
    kubernetes()
    dockerfile()
    # The names of instances are known inside of Docker only, and the binary is not installed here.
    nginx = re.sub(r"bytefit-\d:", "127.0.0.1:", (DEPLOY / "nginx/nginx.conf").read_text())
    accepted("nginx", ["-t", "-c"], nginx, "nginx.conf")
    caddy = (DEPLOY / "caddy/Caddyfile").read_text()
    accepted("caddy", ["validate", "--adapter", "caddyfile", "--config"], caddy, "Caddyfile")
    unit = (DEPLOY / "systemd/bytefit.service").read_text().replace("/usr/local/bin/bytefit", "/bin/true")
    accepted("systemd-analyze", ["verify"], unit, "bytefit.service")


main()
