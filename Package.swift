// swift-tools-version: 6.1
import PackageDescription

// scripts/setup puts libbitcoinkernel (header and shared library) under this prefix.
let home = Context.environment["HOME"] ?? "/root"
let cache = Context.environment["XDG_CACHE_HOME"] ?? "\(home)/.cache"
let prefix = Context.environment["ZENNET_PREFIX"] ?? "\(cache)/zennet/prefix"

/// What every Swift target is built with. swiftc's pass `bcopts` removes checks of bounds; it goes by
/// addresses of values that are gone, and so removes some that are needed, by chance ("Reproducible"
/// in cross/README.md).
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .unsafeFlags(["-Xllvm", "-sil-disable-pass=bcopts"], .when(configuration: .release)),
]

/// A module that the agent links: it compiles as Embedded Swift (cross/build) and as ordinary Swift.
func agentModule(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A module of the publisher's side: ordinary Swift with Foundation.
func ordinaryModule(
  _ name: String, _ dependencies: [Target.Dependency],
  swiftSettings: [SwiftSetting] = [], linkerSettings: [LinkerSetting] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, swiftSettings: settings + swiftSettings,
    linkerSettings: linkerSettings)
}

let kernelFlags: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-I\(prefix)/include"])]
let kernelLink: [LinkerSetting] = [
  .unsafeFlags(["-L\(prefix)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(prefix)/lib"])
]

func tests(
  _ module: String, _ more: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: [.byName(name: module), "TestSupport"] + more,
    exclude: exclude,
    // Any test may ask libbitcoinkernel (module Devnet) to judge what was made.
    swiftSettings: settings + kernelFlags)
}

let package = Package(
  name: "zennet",
  products: [
    .executable(name: "zennet-agent", targets: ["zennet-agent"]),
    .executable(name: "zennet", targets: ["zennet"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    // C, and maps to C libraries.
    .target(name: "CHost", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
    .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(
      name: "CSecp256k1", pkgConfig: "libsecp256k1", providers: [.apt(["libsecp256k1-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CInih", pkgConfig: "inih", providers: [.apt(["libinih-dev"])]),
    .systemLibrary(
      name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CBitcoinKernel"),

    // The agent's modules: both compilers.
    agentModule("Bytes", []),
    agentModule("Crypto", ["Bytes", "CSodium", "CSecp256k1"]),
    agentModule("Bitcoin", ["Bytes", "Crypto"]),
    agentModule("LightClient", ["Bytes", "Crypto", "Bitcoin"]),
    agentModule("Channel", ["Bytes", "Crypto", "Bitcoin"]),
    agentModule("Market", ["Bytes", "Crypto", "Bitcoin", "Channel"]),
    agentModule("Session", ["Bytes", "Crypto"]),
    agentModule("Capability", ["Bytes", "Crypto", "CZstd"]),
    agentModule("Sandbox", ["Bytes", "CHost", "CZstd", "CSeccomp"]),
    agentModule("Storage", ["Bytes", "CHost", "CSQLite"]),
    agentModule("Host", ["Bytes", "CHost"]),
    agentModule("Ini", ["Bytes", "CInih"]),
    agentModule("ChainFollower", ["Bytes", "Bitcoin", "LightClient", "Host", "Storage", "Ini"]),
    agentModule(
      "Agent",
      [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Session", "Capability",
        "Sandbox", "Ini",
      ]),
    .executableTarget(
      name: "zennet-agent",
      dependencies: [
        "Agent", "ChainFollower", "Host", "Storage", "Sandbox", "Capability", "Ini",
      ],
      exclude: ["Manual"], swiftSettings: settings),

    // The publisher's side, the development chain, the simulator: ordinary Swift.
    ordinaryModule(
      "Wallet",
      ["Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Storage", "Host", "ChainFollower"]),
    ordinaryModule(
      "Bundles", ["Bytes", "Crypto", "Market", "Host", "Sandbox", "CZlib", "CZstd"]),
    ordinaryModule(
      "Hiring",
      [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Session", "Capability",
        "Wallet",
      ]),
    ordinaryModule(
      "Publisher",
      [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Session", "Capability",
        "Storage", "Host", "Sandbox", "ChainFollower", "Wallet", "Bundles", "Hiring",
      ]),
    ordinaryModule(
      "Devnet", ["Bytes", "Crypto", "Bitcoin", "Host", "CBitcoinKernel"],
      swiftSettings: kernelFlags, linkerSettings: kernelLink),
    ordinaryModule("Simulator", ["Bytes", "Crypto", "Bitcoin", "LightClient"]),
    .executableTarget(
      name: "zennet",
      dependencies: [
        "Publisher", "Bundles", "Wallet", "Devnet", "Host", "Bitcoin", "ChainFollower", "Ini",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["Manual"], swiftSettings: settings + kernelFlags,
      linkerSettings: kernelLink),

    // Measurements (scripts/bench): ordinary Swift, and the libraries beneath as rivals. MadeChain
    // is the chain that light clients are measured against.
    ordinaryModule("MadeChain", ["Bytes", "Crypto", "Bitcoin", "Host"]),
    .executableTarget(
      name: "zennet-bench",
      dependencies: [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Session", "Capability",
        "Storage", "Sandbox", "Host", "ChainFollower", "MadeChain", "CSodium", "CSecp256k1", "CSQLite",
      ],
      swiftSettings: settings),

    // libFuzzer's targets (scripts/fuzz), a library so that tests can run through their corpora.
    ordinaryModule(
      "Fuzzing",
      [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Session", "Capability",
        "Sandbox", "Host", "Ini", "ChainFollower", "Agent", "Wallet", "Bundles", "Hiring",
        "Publisher",
      ]),

    // Tests: one folder a module.
    .target(
      name: "TestSupport", dependencies: ["Bytes"], path: "Tests/TestSupport",
      swiftSettings: settings),
    tests("Bytes"),
    tests("Crypto"),
    tests("Bitcoin", ["Devnet"]),
    tests("LightClient", ["Devnet", "ChainFollower", "Host", "Storage", "CSodium"]),
    tests("Channel", ["Devnet"]),
    tests("Market", ["Devnet", "Session", "Capability"]),
    tests("Session"),
    tests("Capability", ["Host"]),
    tests("Sandbox", ["Host"]),
    .executableTarget(
      name: "storage-hammer", dependencies: ["Bytes", "Storage", "CSQLite"],
      path: "Tests/StorageHammer", swiftSettings: settings),
    tests("Storage", ["Host", "storage-hammer"]),
    tests("Host", ["CHost"]),
    tests("ChainFollower", ["Devnet", "Simulator", "Ini"]),
    tests("Agent", ["Devnet", "Ini"]),
    // The command `zennet wallet` is run as a person runs it.
    tests("Wallet", ["Devnet", "Host", "zennet"]),
    tests("Bundles", exclude: ["make_images.py"]),
    tests("Hiring"),
    tests("Publisher"),
    tests("Devnet", ["Host", "zennet"], exclude: ["bdk_client.py"]),
    tests("MadeChain", ["Devnet", "ChainFollower", "LightClient", "Storage", "Host"]),
    tests("Simulator", ["Devnet"]),
    // A whole market on one clock: agents, publishers, a chain, a network.
    .target(
      name: "MarketSimulator",
      dependencies: [
        "Bytes", "Crypto", "Bitcoin", "LightClient", "Channel", "Market", "Capability", "Sandbox",
        "Agent", "Wallet", "Hiring", "Simulator", "TestSupport",
      ], path: "Tests/MarketSimulator", swiftSettings: settings),
    tests("MarketSimulator"),
    tests("Fuzzing", exclude: ["Corpus"]),
  ]
)

// Only scripts/fuzz builds this: without -sanitize=fuzzer there is nothing to link it with.
if Context.environment["ZENNET_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "zennet-fuzz", dependencies: ["Fuzzing"], swiftSettings: settings))
}
