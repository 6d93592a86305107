// swift-tools-version: 6.2
// The floors of the house, bottom up; Sources/README.md explains them and ArchitectureTests keeps them.
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]
/// For targets with loops over rows: debug builds run them 10 to 200 times slower without -O.
let hot: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

func floor(_ name: String, _ dependencies: [Target.Dependency], hot isHot: Bool = false) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: isHot ? hot : strict)
}

/// `besides`: files beside the sources that are not compiled.
func suite(_ name: String, _ dependencies: [Target.Dependency], besides: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: besides, swiftSettings: strict)
}

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")

let package = Package(
    name: "apus",
    products: [.executable(name: "apus", targets: ["apus"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // 0: C libraries, module maps only.
        .systemLibrary(name: "CCodecs", path: "Sources/CLibraries/CCodecs"),
        .systemLibrary(name: "CCurl", path: "Sources/CLibraries/CCurl"),
        .systemLibrary(name: "CPcre", path: "Sources/CLibraries/CPcre"),
        .systemLibrary(name: "CPq", path: "Sources/CLibraries/CPq"),
        // 1
        floor("Diagnostics", []),
        floor("Threads", []),
        // 2
        floor("Syntax", ["Diagnostics"], hot: true),
        floor("Columns", ["Diagnostics"], hot: true),
        floor("Storage", ["Diagnostics", "Threads", "CCurl"]),
        // 3
        floor(
            "Functions", ["Columns", "Diagnostics", "CPcre", .product(name: "Crypto", package: "swift-crypto")],
            hot: true),
        floor("Catalogs", ["Columns", "Diagnostics"]),
        floor("Formats", ["Columns", "Storage", "Diagnostics", "CCodecs"], hot: true),
        floor("PostgresClient", ["Diagnostics", "CPq"]),
        floor("PostgresWire", ["Columns", "Diagnostics"], hot: true),
        floor("Access", ["Diagnostics", .product(name: "Crypto", package: "swift-crypto")]),
        // 4
        floor("Planner", ["Syntax", "Functions", "Catalogs", "Columns", "Diagnostics"]),
        floor(
            "Versions",
            [
                "Catalogs", "PostgresClient", "Columns", "Diagnostics", grdb,
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        floor("Hive", ["Functions", "Catalogs", "Formats", "Storage", "Columns", "Diagnostics"]),
        floor("Iceberg", ["Catalogs", "Formats", "Storage", "Columns", "Diagnostics"]),
        floor(
            "PostgresDatabase",
            ["Catalogs", "PostgresClient", "PostgresWire", "Columns", "Diagnostics"]),
        floor("SystemCatalog", ["Functions", "Catalogs", "Access", "Columns", "Diagnostics"], hot: true),
        // 5
        floor("Execution", ["Planner", "Functions", "Catalogs", "Columns", "Diagnostics"], hot: true),
        floor(
            "Coordinator",
            [
                "SystemCatalog", "Planner", "Syntax", "Functions", "Catalogs", "Access", "Columns", "Diagnostics",
                "Threads",
            ]),
        floor(
            "CatalogREST", ["Coordinator", "Iceberg", "Catalogs", "Columns", "Diagnostics"]),
        // 6
        floor(
            "Server",
            [
                "CatalogREST", "Coordinator", "PostgresWire", "Access", "Columns", "Diagnostics",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        // 7
        .executableTarget(
            name: "apus",
            dependencies: [
                "Server", "CatalogREST", "PostgresWire", "Coordinator", "Execution", "Planner", "Hive", "Iceberg",
                "PostgresDatabase", "Versions",
                "Formats", "Storage", "Catalogs", "Functions", "Access", "Columns", "Syntax", "Diagnostics",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .target(
            name: "Support",
            dependencies: [
                "Coordinator", "Execution", "Hive", "Versions", "Storage", "Catalogs", "Columns", "Diagnostics",
            ], path: "Tests/Support", exclude: ["Postgres", "S3"], swiftSettings: strict),
        .target(
            name: "PostgresSupport", dependencies: ["PostgresClient", "Diagnostics"], path: "Tests/Support/Postgres",
            swiftSettings: strict),
        .target(name: "S3Support", path: "Tests/Support/S3", swiftSettings: strict),
        suite("ArchitectureTests", []),
        suite(
            "SQLTests", ["Support", "Coordinator", "Columns", "Diagnostics"],
            besides: ["differ.py", "record.py", "record_duckdb.py"]),
        suite("ExecutionTests", ["Execution", "Planner", "Functions", "Catalogs", "Columns", "Diagnostics"]),
        suite("FunctionsTests", ["Functions", "Columns", "Diagnostics"], besides: ["Expectations"]),
        suite("PlannerTests", ["Planner", "Syntax", "Functions", "Catalogs", "Columns", "Diagnostics"]),
        suite(
            "FormatsTests", ["Formats", "Storage", "Columns", "Diagnostics"],
            besides: ["check_written.py", "nested_files.py"]),
        suite(
            "ServerTests",
            [
                "Server", "Support", "CatalogREST", "Coordinator", "Execution", "Hive", "Iceberg", "Versions",
                "PostgresWire", "Access",
                "Storage", "Columns", "Diagnostics",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ], besides: ["record.py"]),
        suite("StorageTests", ["S3Support", "Storage", "Diagnostics"]),
        suite("SyntaxTests", ["Syntax", "Diagnostics"]),
        suite(
            "VersionsTests",
            ["PostgresSupport", "PostgresClient", "Versions", "Catalogs", "Columns", "Diagnostics", grdb]),
        suite(
            "PostgresDatabaseTests",
            [
                "Support", "PostgresSupport", "PostgresDatabase", "PostgresClient", "Coordinator", "Columns",
                "Catalogs", "Diagnostics",
            ]),
        suite("WireTests", ["PostgresWire", "Columns", "Diagnostics"]),
        suite("AccessTests", ["Access", "Diagnostics"]),
        suite("LakeTests", ["Support", "S3Support", "Coordinator", "Iceberg", "Storage", "Columns", "Diagnostics"]),
        suite(
            "CatalogRESTTests",
            [
                "CatalogREST", "Support", "Coordinator", "Execution", "Hive", "Iceberg", "Versions", "Storage",
                "Catalogs",
                "Diagnostics",
            ]),
        suite("HiveTests", ["S3Support", "Hive", "Catalogs", "Formats", "Storage", "Columns", "Diagnostics"]),
        suite("SystemCatalogTests", ["SystemCatalog", "Catalogs", "Columns"], besides: ["record.py"]),
        suite("IcebergTests", ["Iceberg", "Catalogs", "Formats", "Storage", "Columns", "Diagnostics"]),
    ],
    swiftLanguageModes: [.v6]
)

// `make fuzz`: a program of libFuzzer in place of the server and of the tests, some of whose files it shares.
if Context.environment["APUS_FUZZ"] != nil {
    package.products = []
    package.targets.removeAll { $0.isTest || $0.name == "apus" }
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: ["Formats", "PostgresWire", "Storage", "Syntax", "Columns", "Diagnostics"], path: "Tests",
            sources: ["Fuzz", "FormatsTests/Reading.swift", "FormatsTests/Rendering.swift"],
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]))
}
