"""From files to a project: names, variables, several files, extends, include, profiles, environment files."""

from __future__ import annotations

import pytest

from linkspan.compose import rendering


def test_the_least_project(desk):
    project = desk.load("services: {web: {image: busybox}}")
    assert project.name == "shop"
    assert project.container_name(project.services["web"], 2) == "shop-web-2"
    assert project.networks["default"]["name"] == "shop_default"
    assert project.services["web"].networks == {"default": None}


@pytest.mark.parametrize(
    ("given", "environment", "written", "name"),
    [
        ("own", {"COMPOSE_PROJECT_NAME": "env"}, "file", "own"),
        ("", {"COMPOSE_PROJECT_NAME": "env"}, "file", "env"),
        ("", {}, "file", "file"),
        ("", {"X": "v"}, "a-$X", "a-v"),
    ],
)
def test_the_projects_name(desk, given, environment, written, name):
    text = f"name: {written}\nservices: {{a: {{image: b}}}}"
    assert desk.load(text, name=given, environment=environment).name == name


def test_a_directory_gives_the_name(desk):
    desk.write("services: {a: {image: b}}", "My.Shop_1/compose.yaml")
    assert desk.load("", "My.Shop_1/compose.yaml", name="").name == "myshop_1"


def test_a_bad_name_is_told(desk):
    assert desk.refused("name: Shop!\nservices: {}", name="") == [
        'compose.yaml:1: name: "Shop!" must begin with a small letter or digit and go on with small letters, '
        "digits, - and _"
    ]


def test_variables_come_from_env_and_environment(desk):
    desk.write("TAG=1\nWHO=file\n", ".env")
    text = (
        "services: {a: {image: 'b:$TAG', environment: [WHO, NONE, 'P=$COMPOSE_PROJECT_NAME', 'M=$MISSING']}}"
    )
    project = desk.load(text, environment={"WHO": "me"})
    assert project.services["a"].get("image") == "b:1"
    assert project.services["a"].get("environment") == {"WHO": "me", "NONE": None, "P": "shop", "M": ""}
    assert project.warnings == ('The "MISSING" variable is not set. Defaulting to a blank string.',)


def test_env_files_of_the_command_line(desk):
    desk.write("A=1\nB=1\n", "one.env")
    desk.write("B=2$A\n", "two.env")
    files = [str(desk.directory / name) for name in ("one.env", "two.env")]
    project = desk.load("services: {a: {image: 'b:$A-$B'}}", env_files=files)
    assert project.services["a"].get("image") == "b:1-21"
    assert desk.refused(env_files=["nowhere"])[0].endswith("there is no such file")


def test_env_file_of_a_service(desk):
    desk.write("A=1\nB=${A}2\nD=4\n", "one.env")
    desk.write("A='x'\n", "two.env")
    text = """\
        services:
          a:
            image: b
            env_file: [one.env, {path: two.env}, {path: no.env, required: false}]
            environment: {D: own}
        """
    assert desk.load(text).services["a"].get("environment") == {"A": "x", "B": "12", "D": "own"}
    assert "env_file" not in desk.load(text).services["a"].definition
    assert "no.env does not exist" in desk.refused("services: {a: {image: b, env_file: no.env}}")[0]


def test_files_are_searched_upwards_with_their_override(desk):
    desk.write("services: {a: {image: one}}", "docker-compose.yml")
    desk.write("services: {a: {command: hello}}", "docker-compose.override.yml")
    (desk.directory / "deep" / "er").mkdir(parents=True)
    project = desk.load(working_directory=str(desk.directory / "deep" / "er"))
    assert project.directory == str(desk.directory)
    assert project.services["a"].get("command") == ["hello"]


def test_compose_file_of_the_environment(desk):
    desk.write("services: {a: {image: one}}", "x.yaml")
    desk.write("services: {a: {image: two}}", "y.yaml")
    assert desk.load(environment={"COMPOSE_FILE": "x.yaml:y.yaml"}).services["a"].get("image") == "two"


def test_no_file_says_what_to_do(desk):
    assert "write compose.yaml in" in desk.refused()[0]
    assert "there is no such file" in desk.refused("", "gone.yaml")[0]


def test_a_later_file_changes_an_earlier_one(desk):
    desk.write(
        """\
        services:
          a:
            image: one
            command: [x, y]
            ports: ["80:80", "81:81"]
            environment: {A: 1, B: 1}
            volumes: ["./a:/a", "data:/d"]
            networks: {front: {aliases: [q]}}
            healthcheck: {test: [CMD, a], interval: 5s}
            logging: {driver: x, options: {a: b}}
            dns: 1.1.1.1
            depends_on: [b]
          b: {image: two}
        networks: {front: , back: }
        volumes: {data: }
        """,
        "one.yaml",
    )
    desk.write(
        """\
        services:
          a:
            command: [z]
            ports: ["81:81", "82:82"]
            environment: [B=2, C=3]
            volumes: ["./b:/a"]
            networks: [front, back]
            healthcheck: {test: [CMD, b]}
            logging: {driver: y}
            dns: [1.1.1.1, 2.2.2.2]
            depends_on: {b: {condition: service_healthy}}
        """,
        "two.yaml",
    )
    a = desk.load("", "one.yaml", "two.yaml").services["a"]
    assert a.get("command") == ["z"]
    assert [port["published"] for port in a.get("ports")] == ["80", "81", "82"]
    assert a.get("environment") == {"A": "1", "B": "2", "C": "3"}
    assert [(m["source"], m["target"]) for m in a.get("volumes")] == [
        (str(desk.directory / "b"), "/a"),
        ("data", "/d"),
    ]
    assert a.get("networks") == {"front": {"aliases": ["q"]}, "back": None}
    assert a.get("healthcheck") == {"test": ["CMD", "b"], "interval": "5s"}
    assert a.get("logging") == {"driver": "y"}
    assert a.get("dns") == ["1.1.1.1", "2.2.2.2"]
    assert a.dependencies[0].condition == "service_healthy"


def test_reset_and_override(desk):
    desk.write(
        "services: {a: {image: one, ports: ['80:80'], command: x, environment: {A: 1, B: 2}}}", "one.yaml"
    )
    desk.write(
        "services: {a: {ports: !override ['81:81'], command: !reset null, environment: {A: !reset null}}}",
        "two.yaml",
    )
    a = desk.load("", "one.yaml", "two.yaml").services["a"]
    assert [port["published"] for port in a.get("ports")] == ["81"]
    assert "command" not in a.definition
    assert a.get("environment") == {"B": "2"}


def test_extends_within_a_file_and_from_another(desk):
    desk.write(
        """\
        services:
          base: {image: one, environment: {A: 1}, volumes: ["./x:/x"], extends: root}
          root: {image: zero, init: true}
        """,
        "sub/base.yaml",
    )
    project = desk.load("""\
        services:
          a: {extends: {file: sub/base.yaml, service: base}, environment: [B=2]}
          b: {extends: a, image: two}
        """)
    a, b = project.services["a"], project.services["b"]
    assert (a.get("image"), a.get("init"), a.get("environment")) == ("one", True, {"A": "1", "B": "2"})
    assert a.get("volumes")[0]["source"] == str(desk.directory / "sub" / "x")
    assert (b.get("image"), b.get("environment")) == ("two", {"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services: {a: {extends: b}, b: {extends: a}}",
            "services extend each other in a circle: a -> b -> a",
        ),
        (
            "services: {a: {extends: bb}, b: {image: x}}",
            'there is no service "bb" to extend (did you mean "b"?)',
        ),
        (
            "services: {a: {extends: {service: b, file: no.yaml}}}",
            "cannot read no.yaml: there is no such file",
        ),
    ],
)
def test_extends_that_leads_nowhere(desk, text, expected):
    found = desk.refused(text)[0]
    assert found.startswith("compose.yaml:1: services.a.extends: ")
    assert expected in found


def test_include(desk):
    desk.write("services: {db: {image: pg, volumes: ['./data:/d']}}\nnetworks: {n: }", "sub/compose.yaml")
    project = desk.load(
        "include: [sub/compose.yaml]\nservices: {web: {image: b, depends_on: [db], networks: [n]}}"
    )
    assert sorted(project.services) == ["db", "web"]
    assert project.services["db"].get("volumes")[0]["source"] == str(desk.directory / "sub" / "data")


def test_include_refuses_two_meanings_and_circles(desk):
    desk.write("services: {db: {image: pg}}", "other.yaml")
    found = desk.refused("include: [other.yaml]\nservices: {db: {image: my}}")
    assert "services.db: is also defined, differently, in the included" in found[0]
    desk.write("include: [compose.yaml]", "other.yaml")
    assert "includes itself" in desk.refused("include: [other.yaml]\nservices: {}")[0]


def test_profiles(desk):
    text = """\
        services:
          web: {image: a}
          debug: {image: b, profiles: [dev]}
          test: {image: c, profiles: [ci, dev]}
        """
    assert sorted(desk.load(text).services) == ["web"]
    assert sorted(desk.load(text).disabled) == ["debug", "test"]
    assert sorted(desk.load(text, profiles=["ci"]).services) == ["test", "web"]
    assert sorted(desk.load(text, environment={"COMPOSE_PROFILES": "dev"}).services) == [
        "debug",
        "test",
        "web",
    ]
    assert sorted(desk.load(text, profiles=["*"]).services) == ["debug", "test", "web"]
    assert sorted(desk.load(text, wanted=["debug"]).services) == ["debug", "test", "web"]


def test_links_and_shared_namespaces_are_dependencies(desk):
    project = desk.load("""\
        services:
          a: {image: x, links: ["b:db"], network_mode: bridge}
          b: {image: x, network_mode: "service:c", volumes_from: ["d:ro"], ipc: "service:e"}
          c: {image: x}
          d: {image: x}
          e: {image: x}
        """)
    assert [each.service for each in project.services["a"].dependencies] == ["b"]
    assert [each.service for each in project.services["b"].dependencies] == ["c", "e", "d"]
    assert project.services["b"].network_service == "c"


def test_only_what_is_used_is_part_of_the_project(desk):
    project = desk.load("services: {a: {image: x, networks: [n]}}\nnetworks: {n: , m: }\nvolumes: {v: }")
    assert list(project.networks) == ["n"]
    assert project.volumes == {}


def test_external_and_named(desk):
    project = desk.load("""\
        services: {a: {image: x, networks: [n, m, o, p]}}
        networks:
          n: {external: true}
          m: {external: {name: old}}
          o: {name: own}
          p: {external: false}
        """)
    assert {key: project.network_name(key) for key in project.networks} == {
        "n": "n",
        "m": "old",
        "o": "own",
        "p": "shop_p",
    }


def test_an_obsolete_version_is_told(desk):
    assert "obsolete" in desk.load("version: '3'\nservices: {a: {image: b}}").warnings[0]


def test_problems_inside_of_values_are_told_together(desk):
    found = desk.refused("""\
        services:
          a:
            image: x
            ports: ["80:80",
              "x:y"]
            healthcheck: {interval: 5x}
            deploy: {replicas: two}
            tty: maybe
        """)
    assert found == [
        'compose.yaml:5: services.a.ports[1]: "x:y" is not a port: '
        'write "8080:80", "127.0.0.1:8080:80/udp" or "80"',
        'compose.yaml:6: services.a.healthcheck.interval: "5x" is not a duration: '
        "write it like 10s, 1m30s or 500ms",
        'compose.yaml:7: services.a.deploy.replicas: "two" is not a whole number',
        'compose.yaml:8: services.a.tty: "maybe" is neither true nor false',
    ]


def test_short_forms_become_long_ones(desk):
    a = desk.load("""\
        services:
          a:
            image: x
            build: ./src
            env_file: []
            extra_hosts: {h: 1.2.3.4, i: ["::1"]}
            labels: [a=1, b]
            devices: ["/dev/null", "/dev/zero:/dev/z:r"]
            ulimits: {nofile: "10", nproc: {soft: 1, hard: "2"}}
            secrets: [s]
            configs: [{source: c, mode: "0440"}]
            tmpfs: /run
            gpus: all
            cpus: "1.5"
            mem_limit: 1g
            blkio_config: {weight: 10, device_read_bps: [{path: /dev/x, rate: 1mb}]}
            post_start: [{command: echo hi}]
        secrets: {s: {file: ./s}}
        configs: {c: {content: hi}}
        """).services["a"]
    assert a.get("build") == {"context": a.get("build")["context"], "dockerfile": "Dockerfile"}
    assert a.get("extra_hosts") == ["h=1.2.3.4", "i=::1"]
    assert a.get("labels") == {"a": "1", "b": ""}
    assert a.get("devices")[1] == {"source": "/dev/zero", "target": "/dev/z", "permissions": "r"}
    assert a.get("ulimits") == {"nofile": 10, "nproc": {"soft": 1, "hard": 2}}
    assert a.get("configs") == [{"source": "c", "mode": "0440"}]
    assert (a.get("tmpfs"), a.get("cpus"), a.get("mem_limit")) == (["/run"], 1.5, "1073741824")
    assert a.get("blkio_config")["device_read_bps"] == [{"path": "/dev/x", "rate": 1048576}]
    assert a.get("gpus") == [{"count": -1}]
    assert a.get("post_start") == [{"command": ["echo", "hi"]}]


def test_what_config_prints_reads_as_the_same_project(desk):
    import json

    first = desk.load("""\
        services:
          a:
            image: "b:1"
            command: echo $$HOME
            ports: ["8080:80", "9000-9002:90"]
            volumes: ["data:/d", "./x:/x:ro"]
            networks: {n: {aliases: [q], priority: 3}}
            healthcheck: {test: "true", interval: 90s}
            deploy: {replicas: 0, resources: {limits: {memory: 50m, cpus: "0.25"}}}
        networks: {n: {ipam: {config: [{subnet: 172.30.0.0/24}]}}}
        volumes: {data: {labels: [a=b]}}
        """)
    printed = rendering.document(first)
    desk.write(json.dumps(printed))
    again = desk.load()
    assert rendering.document(again) == printed
    assert rendering.service_hash(again.services["a"]) == rendering.service_hash(first.services["a"])
