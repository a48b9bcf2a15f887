"""Tests, a folder at a time.

    cc_tests(
        deps = [":fixtures", "//net"],       # of all; absl, glog and gtest are added
        tests = {
            # What it shows.
            "mailbox_test": {},              # mailbox_test.cc, size "small"
            "ring_test": {"deps": ["//net:ring"], "shard_count": 2},
        },
    )

makes a cc_test of each name. What is given for all (`size`, `data`, `env`, ...) is an attribute of
each test; a test's own lists and dictionaries add to it, anything else replaces it. Besides
cc_test's attributes there are

  programs  {"NAME": "//label"}: data whose path the test finds in the environment
  main      False for a test that has a main() of its own

What a folder's tests share is one test_library, scripts are script_tests, and a fuzz target with
its corpus is a fuzz_target.
"""

# What all of them may include. The headers are the system's, so a target's `deps` would keep none
# from it, and what is linked is shared or small.
_ALWAYS = [
    "@com_github_glog//:glog",
    "@com_google_absl//:absl",
]

# The precompiled header of //tests, with g++. clang compiles without it, and so finds a source that
# includes less than it uses.
_PRECOMPILED = select({
    "//bazel:clang": [],
    "//conditions:default": ["//tests:precompiled"],
})
_PRECOMPILED_COPTS = select({
    "//bazel:clang": [],
    "//conditions:default": [
        "-include",
        "tests/precompiled.h",
        "-Winvalid-pch",
        "-Wno-error=invalid-pch",
    ],
})

def _both(common, own):
    """The attributes of one test: `own`, added to `common` where both are lists or dictionaries."""
    result = dict(common)
    for name, value in own.items():
        if name not in common or type(value) not in ["list", "dict"]:
            result[name] = value
        elif type(value) == "list":
            result[name] = common[name] + value
        else:
            result[name] = dict(common[name], **value)
    return result

def _set(labels):
    """`labels`, each of them once."""
    return {label: None for label in labels}.keys()

def test_library(
        name,
        deps = [],
        srcs = [],
        visibility = ["//tests:__subpackages__"],
        **attributes):
    """What tests share, visible to all of them unless it says otherwise."""
    native.cc_library(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = _PRECOMPILED_COPTS if srcs else [],
        visibility = visibility,
        deps = _set(deps + _ALWAYS + ["@com_google_googletest//:gtest"]) +
               (_PRECOMPILED if srcs else []),
        **attributes
    )

def _cc_test(
        name,
        deps = [],
        srcs = None,
        data = [],
        env = {},
        programs = {},
        main = True,
        **attributes):
    if srcs == None:
        srcs = [name + ".cc"]
    if programs:
        data = data + programs.values()
        paths = {variable: "$(rootpath %s)" % label for variable, label in programs.items()}
        env = dict(env, **paths)
    gtest = "@com_google_googletest//:" + ("gtest_main" if main else "gtest")
    native.cc_test(
        name = name,
        srcs = srcs,
        copts = _PRECOMPILED_COPTS,
        data = _set(data),
        env = env,
        deps = _set(deps + _ALWAYS + [gtest]) + _PRECOMPILED,
        **attributes
    )

def cc_tests(tests, size = "small", **common):
    """A cc_test of each of `tests`, {name: its own attributes}."""
    for name, own in tests.items():
        _cc_test(name, **_both(dict(common, size = size), own))

def script_tests(tests, size = "small", **common):
    """An sh_test of each of `tests`, {name: its own attributes}; its source is NAME.py.

    `files` are labels of data that the script gets as arguments, before its `args`.
    """
    for name, own in tests.items():
        attributes = _both(dict(common, size = size), own)
        files = attributes.pop("files", [])
        native.sh_test(
            name = name,
            srcs = attributes.pop("srcs", [name + ".py"]),
            args = ["$(rootpath %s)" % label for label in files] + attributes.pop("args", []),
            data = _set(files + attributes.pop("data", [])),
            **attributes
        )

def fuzz_target(name, replay, corpus, deps, mutations = None, size = "small"):
    """A fuzz target, NAME.cc, and a test of it on corpus/CORPUS.

    The program links libFuzzer, which --config=asan alone has (tools/fuzz); the test, `replay`,
    runs the same function on the corpus and on mutations of it, with any compiler.
    """
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = _set(deps + _ALWAYS),
    )
    _cc_test(
        name = replay,
        size = size,
        srcs = [
            name + ".cc",
            "//tests/protocol:fuzz_replay_test.cc",
        ],
        args = ["%s/corpus/%s" % (native.package_name(), corpus)] +
               ([str(mutations)] if mutations else []),
        data = native.glob(["corpus/%s/*" % corpus]),
        main = False,
        deps = deps,
    )
