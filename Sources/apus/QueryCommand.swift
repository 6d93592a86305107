// `apus query "SQL"`: runs statements in this process, without a server, and prints the rows.
import ArgumentParser
import Columns
import Coordinator
import Diagnostics
import Foundation

struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Run SQL in this process and print the rows.")

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, csv, json }

    @Argument(help: "One or more statements; - reads them from standard input.") var sql: String
    @Option(help: "How rows are printed: table, csv or json.") var format: Format = .table
    @Option(help: "Branch on which names are resolved.") var branch: String = "main"
    @OptionGroup var lake: LakeOptions

    func run() async throws {
        do throws(SQLError) {
            let configuration = try Configuration(file: lake.file, flags: lake.flags)
            let engine = try await Composition.engine(configuration)
            let session = try await engine.session(
                SessionRequest(
                    user: NSUserName(), database: configuration["database"], settings: [("branch", branch)],
                    peer: PeerAddress(host: nil, isLoopback: true, isEncrypted: false),
                    processID: ProcessInfo.processInfo.processIdentifier))
            try await run(session)
        } catch {
            leave(error)
        }
    }

    private func run(_ session: Session) async throws(SQLError) {
        let text = sql == "-" ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : sql
        let sequence = try await session.query(text)
        while let stream = try await sequence.next() {
            let printer = RowPrinter(format: format, columns: stream.columns, zone: stream.timeZone)
            let bar = ProgressBar(stream)
            while true {
                let batch: Batch?
                do throws(SQLError) {
                    batch = try await stream.next()
                } catch {
                    bar.end()
                    throw error
                }
                bar.end()
                guard let batch else { break }
                printer.print(batch)
            }
            let outcome = try await stream.finish()
            printer.finish()
            for notice in outcome.notices {
                FileHandle.standardError.write(
                    Data("\(notice.severity.rawValue):  \(notice.content.message)\n".utf8))
            }
        }
        let report = await session.finishCycle()
        if let error = report.error { throw error }
    }
}
