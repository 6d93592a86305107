// Rows as CSV or as JSON, a record a line: what COPY ... TO 'file' writes. Hot.

public import Columns
import Diagnostics

/// Writes rows as CSV, or as the text that COPY reads.
public struct CSVWriter: Sendable {
    public var delimiter: UInt8 = UInt8(ascii: ",")
    public var quote: UInt8 = UInt8(ascii: "\"")
    public var escape: UInt8 = UInt8(ascii: "\"")
    public var null: [UInt8] = []
    /// By column: quoted whatever is in it.
    public var forceQuote: [Bool] = []
    /// Whether a backslash escapes, and nothing is quoted: PostgreSQL's text format.
    public var isText = false
    public init() {}

    public func header(_ names: [String], to out: inout [UInt8]) {
        for (index, name) in names.enumerated() {
            if index > 0 { out.append(delimiter) }
            let start = out.count
            out.append(contentsOf: name.utf8)
            quoteIfNeeded(from: start, isForced: false, &out)
        }
        out.append(10)
    }

    public func append(_ batch: Batch, to out: inout [UInt8]) {
        for row in 0..<batch.rows {
            for (index, column) in batch.columns.enumerated() {
                if index > 0 { out.append(delimiter) }
                guard column.isValid(row) else {
                    out.append(contentsOf: null)
                    continue
                }
                let start = out.count
                TextForm.append(column, row, zone: .utc, to: &out)
                quoteIfNeeded(from: start, isForced: index < forceQuote.count && forceQuote[index], &out)
            }
            out.append(10)
        }
    }

    private func escape(from start: Int, _ out: inout [UInt8]) {
        guard out[start...].contains(where: { $0 == 92 || $0 < 32 || $0 == delimiter }) else { return }
        let text = Array(out[start...])
        out.removeSubrange(start...)
        for byte in text {
            switch byte {
            case 92: out += [92, 92]
            case 10: out += [92, UInt8(ascii: "n")]
            case 13: out += [92, UInt8(ascii: "r")]
            case 9: out += [92, UInt8(ascii: "t")]
            case delimiter: out += [92, byte]
            default: out.append(byte)
            }
        }
    }

    private func quoteIfNeeded(from start: Int, isForced: Bool, _ out: inout [UInt8]) {
        if isText { return escape(from: start, &out) }
        var isNeeded = isForced
        var marks = 0
        for index in start..<out.count {
            let byte = out[index]
            if byte == quote || byte == escape { marks += 1 }
            if byte == quote || byte == delimiter || byte == 10 || byte == 13 { isNeeded = true }
        }
        // What would be read as NULL, or as the end of data, needs quotes as well.
        if !isNeeded, out.count - start == null.count, out[start...].elementsEqual(null) { isNeeded = true }
        if !isNeeded, out.count - start == 2, out[start] == 92, out[start + 1] == 46 { isNeeded = true }
        guard isNeeded else { return }
        if marks == 0 {
            out.insert(quote, at: start)
            return out.append(quote)
        }
        let text = Array(out[start...])
        out.removeSubrange(start...)
        out.append(quote)
        for byte in text {
            if byte == quote || byte == escape { out.append(escape) }
            out.append(byte)
        }
        out.append(quote)
    }
}

/// Writes rows as JSON objects.
public struct JSONWriter: Sendable {
    private let keys: [[UInt8]]

    public init(_ names: [String]) {
        keys = names.map { name in
            var key: [UInt8] = []
            var text = name
            text.withUTF8 { JSONEscape.quote(UnsafeRawBufferPointer($0), to: &key) }
            key.append(UInt8(ascii: ":"))
            return key
        }
    }

    /// `separator`: what stands between two objects.
    public func append(_ batch: Batch, separator: [UInt8], isFirst: inout Bool, to out: inout [UInt8]) {
        for row in 0..<batch.rows {
            if !isFirst { out.append(contentsOf: separator) }
            isFirst = false
            out.append(UInt8(ascii: "{"))
            for (index, column) in batch.columns.enumerated() {
                if index > 0 { out.append(44) }
                out.append(contentsOf: keys[index])
                JSONWriter.value(column, row, 0, &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static let depthMax = 64

    private static func value(_ column: Column, _ row: Int, _ depth: Int, _ out: inout [UInt8]) {
        guard column.isValid(row), depth < depthMax else { return out.append(contentsOf: "null".utf8) }
        let (at, from) = (column.slot(row), column.storage)
        switch column.type {
        case .boolean: out.append(contentsOf: (from.pointer(UInt8.self)[at] != 0 ? "true" : "false").utf8)
        case .int2, .int4, .int8, .decimal: TextForm.append(column, row, zone: .utc, to: &out)
        case .float4, .float8, .numeric:
            // NaN and infinity are no numbers of JSON.
            let start = out.count
            TextForm.append(column, row, zone: .utc, to: &out)
            if out[start...].contains(where: { $0 == UInt8(ascii: "N") || $0 == UInt8(ascii: "y") }) {
                out.removeSubrange(start...)
                out.append(contentsOf: "null".utf8)
            }
        case .json, .jsonb:
            from.pointer(StringView.self)[at].withBytes { raw in
                // A value stays on its line.
                for byte in raw { out.append(byte == 10 || byte == 13 ? 32 : byte) }
            }
        case .array:
            guard let child = from.child else { return out.append(contentsOf: "[]".utf8) }
            let span = from.pointer(ListSpan.self)[at]
            out.append(UInt8(ascii: "["))
            for index in 0..<Int(span.count) {
                if index > 0 { out.append(44) }
                value(child, Int(span.start) + index, depth + 1, &out)
            }
            out.append(UInt8(ascii: "]"))
        case .map:
            guard let child = from.child, child.fields.count == 2 else { return out.append(contentsOf: "{}".utf8) }
            let span = from.pointer(ListSpan.self)[at]
            out.append(UInt8(ascii: "{"))
            for index in 0..<Int(span.count) {
                if index > 0 { out.append(44) }
                let place = Int(child.pointer(Int32.self)[child.slot(Int(span.start) + index)])
                var key: [UInt8] = []
                TextForm.append(child.fields[0], place, zone: .utc, to: &key)
                key.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(UInt8(ascii: ":"))
                value(child.fields[1], place, depth + 1, &out)
            }
            out.append(UInt8(ascii: "}"))
        case .row(let fields):
            let place = Int(from.pointer(Int32.self)[at])
            out.append(UInt8(ascii: "{"))
            for (index, field) in fields.enumerated() {
                if index > 0 { out.append(44) }
                Array(field.name.utf8).withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(UInt8(ascii: ":"))
                value(from.fields[index], place, depth + 1, &out)
            }
            out.append(UInt8(ascii: "}"))
        case .text, .varchar, .char:
            from.pointer(StringView.self)[at].withBytes { JSONEscape.quote($0, to: &out) }
        default:
            var text: [UInt8] = []
            TextForm.append(column, row, zone: .utc, to: &text)
            text.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
        }
    }
}
