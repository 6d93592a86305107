// Answers of PostgreSQL 15, recorded: each line of Expectations/*.tsv is a call with typed literals and its result.
import Foundation
import Testing

@Suite("functions answer as PostgreSQL does")
struct ExpectationTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Expectations")

    @Test(
        "recorded answers",
        arguments: ["aggregates", "arithmetic", "casts", "dates", "formats", "mathematics", "strings"])
    func recorded(_ name: String) throws {
        let text = try String(
            contentsOf: ExpectationTests.folder.appendingPathComponent(name + ".tsv"), encoding: .utf8)
        var lines = 0
        for line in text.split(separator: "\n") {
            let parts = line.components(separatedBy: "\t=>\t")
            let fields = parts[0].split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            let call = try #require(parts.count == 2 ? FunctionCase(fields) : nil, "unreadable line: \(line)")
            let answer = call.run().replacing("\n", with: "\\n")
            #expect(answer == parts[1], "\(parts[0])")
            lines += 1
        }
        #expect(lines > 100)
    }
}
