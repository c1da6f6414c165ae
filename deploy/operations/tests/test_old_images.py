"""What a deployment leaves on the disk: the images of what runs and of the way back, and nothing older of its own."""

from tests.support.deployed_host import Host, commit, git


def removed(host: Host) -> list[str]:
    """The images that were removed by their names."""
    rows = [line.split() for line in host.docker().splitlines() if line.startswith("image rm")]
    return [image for row in rows for image in row[2:]]


def deploy_versions(host: Host, *versions: str, **settings: str) -> str:
    for version in versions:
        if not git(host.origin, "tag", "--list", version):
            git(host.origin, "tag", version, commit(host.origin, version))
        done = host.deploy(version, **settings)
        assert done.returncode == int(settings.get("SMOKE_FAILS", "0")), done.stderr
    return done.stdout


def test_the_images_of_what_runs_and_of_the_version_before_stay(host: Host) -> None:
    deploy_versions(host, "v1.1.0", "v1.2.0")
    assert removed(host) == []
    deploy_versions(host, "v1.3.0")
    assert removed(host) == ["model-gateway-edge:v1.1.0", "model-gateway-gateway:v1.1.0"]
    assert "image prune --force --filter label=com.docker.compose.project=model-gateway\n" in host.docker()


def test_the_version_before_is_one_that_passed(host: Host) -> None:
    deploy_versions(host, "v1.1.0", "v1.2.0")
    deploy_versions(host, "v1.3.0", SMOKE_FAILS="1")
    assert removed(host) == []
    deploy_versions(host, "v1.4.0")
    assert {image.partition(":")[2] for image in removed(host)} == {"v1.1.0", "v1.3.0"}


def test_the_same_version_again_keeps_the_one_before_it(host: Host) -> None:
    deploy_versions(host, "v1.1.0", "v1.2.0", "v1.2.0", "v1.1.0", "v1.2.0")
    assert removed(host) == []


def test_the_first_time_it_is_not_known_what_ran_before_and_nothing_is_removed(host: Host) -> None:
    (host.programs / "docker.log").write_text("version v0.8.0\nversion v0.9.0\n")
    deploy_versions(host, "v1.1.0")
    assert "image" not in host.docker()


def test_an_image_that_cannot_be_removed_fails_no_deployment(host: Host) -> None:
    said = deploy_versions(host, "v1.1.0", "v1.2.0", "v1.3.0", RM_FAILS="1")
    assert "An older image of model-gateway-gateway stays: docker says why." in said
    assert said.endswith("== v1.3.0 runs\n")
