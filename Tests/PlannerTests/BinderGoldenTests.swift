// Bound plans and errors of the statements in Queries/plans/bind_*.plan, optimized ones in optimize_*.plan. RECORD=1 writes the files anew.
import Testing

@testable import Planner

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Files of cases: a statement, a line of dashes, what EXPLAIN prints or the error; an empty line between cases.
struct PlanFile {
    var cases: [(sql: String, plan: String)] = []
    let path: String

    static let folder: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        return parts.joined(separator: "/") + "/Queries/plans"
    }()

    init(_ name: String) throws {
        path = "\(PlanFile.folder)/\(name).plan"
        guard let file = fopen(path, "r") else { throw PlanFileError.missing(path) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        for block in String(decoding: bytes, as: UTF8.self).splitBlocks() {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
            let dashes = lines.firstIndex { $0 == "----" } ?? lines.endIndex
            let sql = lines[..<dashes].joined(separator: "\n")
            cases.append((sql, lines[dashes...].dropFirst().joined(separator: "\n")))
        }
    }

    func write() {
        guard let file = fopen(path, "w") else { return }
        defer { fclose(file) }
        fputs(cases.map { "\($0.sql)\n----\n\($0.plan)\n" }.joined(separator: "\n"), file)
    }
}

enum PlanFileError: Error { case missing(String) }

extension String {
    /// The parts between empty lines.
    fileprivate func splitBlocks() -> [String] {
        var blocks: [[Substring]] = [[]]
        for line in split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { blocks.append([]) } else { blocks[blocks.count - 1].append(line) }
        }
        return blocks.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }
    }
}

@Suite struct BinderGoldenTests {
    @Test(
        "queries bind to the recorded plans and errors",
        arguments: [
            "bind_aggregates", "bind_ctes", "bind_errors", "bind_expressions", "bind_from", "bind_selects",
            "bind_setops", "bind_subqueries", "bind_tpch", "bind_windows",
        ])
    func bind(_ name: String) throws {
        var file = try PlanFile(name)
        let isRecording = getenv("RECORD") != nil
        for index in file.cases.indices {
            let plan = PlannerFixture.explain(file.cases[index].sql)
            if isRecording {
                file.cases[index].plan = plan
            } else {
                #expect(plan == file.cases[index].plan, "\(file.cases[index].sql)")
            }
        }
        if isRecording { file.write() }
    }

    @Test("queries are optimized to the recorded plans", arguments: ["optimize_ctes"])
    func optimize(_ name: String) throws {
        var file = try PlanFile(name)
        let isRecording = getenv("RECORD") != nil
        for index in file.cases.indices {
            let bound = try PlannerFixture.bind(file.cases[index].sql)
            let optimized = try Optimizer.optimize(bound.plan, PlanContext())
            #expect(PlanChecker.problems(of: optimized, isBound: false) == [], "\(file.cases[index].sql)")
            let plan = PlanPrinter.text(optimized).joined(separator: "\n")
            if isRecording {
                file.cases[index].plan = plan
            } else {
                #expect(plan == file.cases[index].plan, "\(file.cases[index].sql)")
            }
        }
        if isRecording { file.write() }
    }
}
