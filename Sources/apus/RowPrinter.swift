// Rows as a table, CSV or JSON on standard output.
import Columns
import Coordinator
import Foundation

/// Prints the rows of one result.
final class RowPrinter {
    private let format: QueryCommand.Format
    private let columns: [ResultColumn]?
    private let zone: SessionTimeZone
    /// Rows of a table, kept to know the widths.
    private var kept: [[String?]] = []
    private var widths: [Int]
    private var rows = 0

    /// Rows whose widths are measured; a longer table goes on with these widths.
    private static let measuredMax = 10_000

    init(format: QueryCommand.Format, columns: [ResultColumn]?, zone: SessionTimeZone) {
        self.format = format
        self.columns = columns
        self.zone = zone
        widths = (columns ?? []).map { $0.name.count }
        if format == .csv, let columns {
            write(columns.map { RowPrinter.quoted($0.name) }.joined(separator: ",") + "\n")
        }
    }

    func print(_ batch: Batch) {
        for row in 0..<batch.rows {
            let values = batch.columns.map { text($0, row) }
            switch format {
            case .table:
                if kept.count < RowPrinter.measuredMax, rows < RowPrinter.measuredMax {
                    kept.append(values)
                    for (index, value) in values.enumerated() { widths[index] = max(widths[index], value?.count ?? 0) }
                } else {
                    flush()
                    write(line(values))
                }
            case .csv: write(values.map { $0.map(RowPrinter.quoted) ?? "" }.joined(separator: ",") + "\n")
            case .json: write(json(batch, row, values) + "\n")
            }
            rows += 1
        }
    }

    func finish() {
        guard columns != nil, format == .table else { return }
        flush(evenEmpty: true)
        write("(\(rows) row\(rows == 1 ? "" : "s"))\n")
    }

    private var isHeadWritten = false

    private func flush(evenEmpty: Bool = false) {
        if !isHeadWritten, evenEmpty || !kept.isEmpty, let columns {
            isHeadWritten = true
            write(line(columns.map(\.name)))
            write(widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "+") + "\n")
        }
        for values in kept { write(line(values)) }
        kept = []
    }

    private func line(_ values: [String?]) -> String {
        var cells: [String] = []
        for (index, value) in values.enumerated() {
            let text = value ?? ""
            let space = String(repeating: " ", count: max(0, widths[index] - text.count))
            let isRight = columns?[index].type.isNumber ?? false
            cells.append(" " + (isRight ? space + text : text + space) + " ")
        }
        return cells.joined(separator: "|") + "\n"
    }

    private func text(_ column: Column, _ row: Int) -> String? {
        guard column.isValid(row) else { return nil }
        var bytes: [UInt8] = []
        TextForm.append(column, row, zone: zone, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String {
        guard text.isEmpty || text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }

    private func json(_ batch: Batch, _ row: Int, _ values: [String?]) -> String {
        var members: [String] = []
        for (index, value) in values.enumerated() {
            guard let column = columns?[index] else { continue }
            let written: String
            if let value {
                let isBare = column.type.isNumber && !value.contains(where: { $0.isLetter && $0 != "e" })
                if column.type == .boolean {
                    written = value == "t" ? "true" : "false"
                } else {
                    written = isBare ? value : RowPrinter.jsonString(value)
                }
            } else {
                written = "null"
            }
            members.append(RowPrinter.jsonString(column.name) + ":" + written)
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func jsonString(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            default:
                if scalar.value < 32 {
                    let digits = String(scalar.value, radix: 16)
                    out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    out.unicodeScalars.append(scalar)
                }
            }
        }
        return out + "\""
    }

    private func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
