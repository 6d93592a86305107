// The entry of the program: its commands and the options they share.
import ArgumentParser
import Diagnostics
import Foundation

@main
struct Apus: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A lakehouse SQL server: PostgreSQL in front, Parquet behind, branches in between.",
        version: "apus \(version)",
        subcommands: [ServeCommand.self, QueryCommand.self, SettingsCommand.self])
}

/// Options of every command that opens a lake.
struct LakeOptions: ParsableArguments {
    @Option(help: "File of settings, one `name = value` a line.") var config: String?
    @Option(help: "Folder of the embedded catalog.") var dataDir: String?
    @Option(help: "Worker threads.") var threads: Int?
    @Option(help: "Memory of one query, such as 4GB.") var memoryLimit: String?

    /// Flags by option name.
    var flags: [String: String] {
        var flags: [String: String] = [:]
        flags["data_dir"] = dataDir
        flags["threads"] = threads.map(String.init)
        flags["memory_limit"] = memoryLimit
        return flags
    }

    /// The file to read: the one given, or APUS_CONFIG.
    var file: String? { config ?? ProcessInfo.processInfo.environment["APUS_CONFIG"] }
}

/// Prints an error as psql would, and ends the process.
func leave(_ error: SQLError) -> Never {
    var text = "ERROR:  \(error.state.code): \(error.message)\n"
    if let detail = error.detail { text += "DETAIL:  \(detail)\n" }
    if let hint = error.hint { text += "HINT:  \(hint)\n" }
    FileHandle.standardError.write(Data(text.utf8))
    Foundation.exit(1)
}

/// `apus settings`: documents every setting.
struct SettingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "List the server's and the session's settings.")

    func run() {
        SettingsPage.print()
    }
}
