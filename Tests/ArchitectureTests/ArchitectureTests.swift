import Foundation
import Testing

/// The habits of the house that a reader could miss in review.
@Suite struct ArchitectureTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Which targets of ours each target may import: the floors of Sources/README.md.
    static let allowed: [String: Set<String>] = [
        "Diagnostics": [],
        "Threads": [],
        "Syntax": ["Diagnostics"],
        "Columns": ["Diagnostics"],
        "Storage": ["Diagnostics", "Threads", "CCurl"],
        "Functions": ["Columns", "Diagnostics", "CPcre"],
        "Catalogs": ["Columns", "Diagnostics"],
        "Formats": ["Columns", "Storage", "Diagnostics", "CCodecs"],
        "PostgresWire": ["Columns", "Diagnostics"],
        "Access": ["Diagnostics"],
        "Planner": ["Syntax", "Functions", "Catalogs", "Columns", "Diagnostics"],
        "PostgresClient": ["Diagnostics", "CPq"],
        "Versions": ["Catalogs", "PostgresClient", "Columns", "Diagnostics"],
        "Hive": ["Functions", "Catalogs", "Formats", "Storage", "Columns", "Diagnostics"],
        "Iceberg": ["Catalogs", "Formats", "Storage", "Columns", "Diagnostics"],
        "PostgresDatabase": ["Catalogs", "PostgresClient", "PostgresWire", "Columns", "Diagnostics"],
        "Execution": ["Planner", "Functions", "Catalogs", "Columns", "Diagnostics"],
        "SystemCatalog": ["Functions", "Catalogs", "Access", "Columns", "Diagnostics"],
        "Coordinator": [
            "SystemCatalog", "Planner", "Syntax", "Functions", "Catalogs", "Access", "Columns", "Diagnostics",
            "Threads",
        ],
        "CatalogREST": ["Coordinator", "Iceberg", "Catalogs", "Columns", "Diagnostics"],
        "Server": ["CatalogREST", "Coordinator", "PostgresWire", "Access", "Columns", "Diagnostics"],
        "apus": [
            "Server", "CatalogREST", "PostgresWire", "Coordinator", "Execution", "Planner", "Hive", "Iceberg",
            "PostgresDatabase", "Versions", "Formats", "Storage", "Catalogs", "Functions", "Access", "Columns",
            "Syntax",
            "Diagnostics",
        ],
    ]

    /// Libraries that only these targets may import.
    static let owners: [String: Set<String>] = [
        "NIOCore": ["Server"], "NIOPosix": ["Server"], "NIOSSL": ["Server"], "Hummingbird": ["Server"],
        "GRDB": ["Versions"], "CCurl": ["Storage"], "CCodecs": ["Formats"], "CPcre": ["Functions"],
        "CPq": ["PostgresClient"],
        "ArgumentParser": ["apus"],
    ]

    struct Source {
        var path: String
        var target: String
        var lines: [Substring]
    }

    static func sources() throws -> [Source] {
        let folder = root.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects ?? []
        return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map { file in
            let path = String(file.path.dropFirst(folder.path.count + 1))
            let text = try String(contentsOf: file, encoding: .utf8)
            return Source(
                path: path, target: String(path.prefix { $0 != "/" }),
                lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    @Test("no target imports upwards, and libraries stay on their floor")
    func imports() throws {
        let sources = try Self.sources()
        #expect(sources.count > 100)
        for source in sources {
            let allowed = try #require(Self.allowed[source.target], "unknown target \(source.target)")
            for line in source.lines where line.contains("import ") {
                let words = line.split(separator: " ")
                guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
                    words[..<at].allSatisfy({ ["public", "@preconcurrency", "@testable"].contains($0) })
                else { continue }
                let module = String(words[at + 1])
                if Self.allowed[module] != nil {
                    #expect(allowed.contains(module), "\(source.path) imports \(module)")
                }
                if let owners = Self.owners[module] {
                    #expect(owners.contains(source.target), "\(source.path) imports \(module)")
                }
            }
        }
    }

    @Test("files are at most 600 lines long, and begin with what they are for")
    func sizes() throws {
        for source in try Self.sources() {
            #expect(source.lines.count <= 601, "\(source.path) has \(source.lines.count) lines")
            #expect(source.lines.first?.hasPrefix("//") == true, "\(source.path) does not say what lives in it")
        }
    }

    @Test("nothing ends the process on bad input")
    func traps() throws {
        let traps = ["try!", "fatalError(", "as! "]
        for source in try Self.sources() {
            for (index, line) in source.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for trap in traps where line.contains(trap) {
                    Issue.record("\(source.path):\(index + 1) has \(trap)")
                }
            }
        }
    }

    @Test("names say what is inside")
    func names() throws {
        let banned = ["Common", "Utils", "Util", "Helper", "Manager", "Misc", "Shared", "Base", "Impl"]
        for source in try Self.sources() {
            let parts = source.path.split(separator: "/").map { $0.replacing(".swift", with: "") }
            for part in parts {
                #expect(!banned.contains { part.hasPrefix($0) || part.hasSuffix($0) }, "\(source.path)")
            }
        }
    }

    @Test("the top level holds what a reader expects, and nothing else")
    func topLevel() throws {
        let expected: Set<String> = [
            "Package.swift", "Sources", "Tests", "Queries", "Fixtures", "README.md", "Makefile", "LICENSE", "data",
            "Package.resolved",
        ]
        let found = try FileManager.default.contentsOfDirectory(atPath: Self.root.path)
        for name in found where !name.hasPrefix(".") { #expect(expected.contains(name), "\(name)") }
    }
}
