// How COPY spells rows, and the messages around them. PostgreSQL docs 55.2.6 and the page of COPY.
public import Columns
public import Diagnostics
import Glibc

/// The options of one COPY.
public struct CopyFormat: Sendable, Hashable {
    public enum Kind: Sendable { case text, csv, binary }
    public var kind: Kind
    public var delimiter: UInt8
    public var null: [UInt8]
    public var hasHeader: Bool
    public var matchesHeader: Bool
    public var quote: UInt8
    public var escape: UInt8
    /// By column; empty: none.
    public var forceQuote: [Bool]
    public var forceNotNull: [Bool]
    public var forceNull: [Bool]

    public init(
        kind: Kind, delimiter: UInt8, null: [UInt8], hasHeader: Bool = false, matchesHeader: Bool = false,
        quote: UInt8 = 34, escape: UInt8 = 34, forceQuote: [Bool] = [], forceNotNull: [Bool] = [],
        forceNull: [Bool] = []
    ) {
        self.kind = kind
        self.delimiter = delimiter
        self.null = null
        self.hasHeader = hasHeader
        self.matchesHeader = matchesHeader
        self.quote = quote
        self.escape = escape
        self.forceQuote = forceQuote
        self.forceNotNull = forceNotNull
        self.forceNull = forceNull
    }

    /// The first bytes of COPY BINARY.
    static let signature: [UInt8] = [80, 71, 67, 79, 80, 89, 10, 255, 13, 10, 0]
    /// What goes before binary rows: the signature, flags and the length of nothing more.
    public static let head = signature + [UInt8](repeating: 0, count: 8)
    /// What goes behind binary rows.
    public static let end: [UInt8] = [255, 255]
}

extension WireBuffer {
    /// CopyInResponse.
    public func copyInResponse(_ kind: CopyFormat.Kind, columns: Int) { copyResponse(71, kind, columns) }

    /// CopyOutResponse.
    public func copyOutResponse(_ kind: CopyFormat.Kind, columns: Int) { copyResponse(72, kind, columns) }

    private func copyResponse(_ type: UInt8, _ kind: CopyFormat.Kind, _ columns: Int) {
        let code: UInt8 = kind == .binary ? 1 : 0
        message(type) {
            $0.append(code)
            $0.append(UInt16(truncatingIfNeeded: columns))
            for _ in 0..<columns { $0.append(UInt16(code)) }
        }
    }

    /// CopyDone.
    public func copyDone() { message(99) { _ in } }

    /// CopyData.
    public func copyData(_ bytes: [UInt8]) {
        message(100) { buffer in bytes.withUnsafeBytes { buffer.append(raw: $0) } }
    }
}

/// Batches to CopyData messages, a row each. One owner at a time. Hot.
public final class CopyEncoder {
    private let format: CopyFormat
    private let fields: [RowField]
    private let zone: SessionTimeZone
    private let cells: [ColumnCells]
    /// Rows in binary are those of DataRow.
    private let binary: RowEncoder?
    private var line: [UInt8] = []
    /// For text: what is written behind a backslash for a byte; 0: nothing special.
    private let escapes: [UInt8]
    /// Whether the head of binary data is still to come. Readers want it in one message with the first row.
    private var owesHead: Bool

    public init(
        _ fields: [RowField], _ format: CopyFormat, zone: SessionTimeZone, names: (any SystemNames)? = nil
    ) throws(SQLError) {
        owesHead = format.kind == .binary
        self.format = format
        self.fields = fields
        self.zone = zone
        cells = fields.map { _ in ColumnCells(names: names) }
        binary = format.kind == .binary ? try RowEncoder(fields, formats: [.binary], zone: zone, kind: 100) : nil
        var table = [UInt8](repeating: 0, count: 256)
        for (byte, letter) in [(8, "b"), (12, "f"), (10, "n"), (13, "r"), (9, "t"), (11, "v"), (92, "\\")] {
            table[byte] = letter.utf8.first ?? 0
        }
        table[Int(format.delimiter)] =
            table[Int(format.delimiter)] == 0 ? format.delimiter : table[Int(format.delimiter)]
        escapes = table
    }

    /// What goes before the rows.
    public func begin(into buffer: WireBuffer) {
        switch format.kind {
        case .binary: break
        case .text, .csv:
            guard format.hasHeader else { return }
            line.removeAll(keepingCapacity: true)
            for (index, field) in fields.enumerated() {
                if index > 0 { line.append(format.delimiter) }
                Array(field.name.utf8).withUnsafeBufferPointer { append($0, isForced: false) }
            }
            line.append(10)
            buffer.copyData(line)
        }
    }

    /// What goes behind them.
    public func end(into buffer: WireBuffer) {
        if format.kind == .binary { buffer.copyData((owesHead ? CopyFormat.head : []) + CopyFormat.end) }
    }

    /// The head and the first row as one message.
    private func putFirst(_ rows: RowEncoder, into buffer: WireBuffer) throws(SQLError) {
        let row = WireBuffer()
        guard try rows.encode(into: row, rowsMax: 1, bytesMax: Int.max) == 1 else { return }
        let payload = UnsafeBufferPointer(
            start: row.base + CopyEncoder.messageHeadBytes, count: row.count - CopyEncoder.messageHeadBytes)
        buffer.copyData(CopyFormat.head + Array(payload))
        owesHead = false
    }

    /// Type and length of a message.
    private static let messageHeadBytes = 5

    /// Appends the rows of a batch; `flush` is called whenever the buffer has grown to `bytesMax`.
    public func encode(
        _ batch: Batch, into buffer: WireBuffer, bytesMax: Int, flush: () async throws -> Void
    ) async throws {
        if let binary {
            try binary.begin(batch)
            if owesHead, batch.rows > 0 { try putFirst(binary, into: buffer) }
            while binary.rowsLeft > 0 {
                _ = try binary.encode(into: buffer, rowsMax: Int.max, bytesMax: bytesMax)
                if buffer.count >= bytesMax { try await flush() }
            }
            return
        }
        for (index, column) in batch.columns.enumerated() {
            let fourBytes = PostgresType.isFourByteAlias(fields[index].announcedOID)
            try cells[index].fill(column, rows: batch.rows, .text, fourBytes: fourBytes, zone: zone)
        }
        var row = 0
        while row < batch.rows {
            let end = min(row + CopyEncoder.rowsAtATime, batch.rows)
            withExtendedLifetime(batch) {
                for index in row..<end { append(row: index, of: batch, to: buffer) }
            }
            row = end
            if buffer.count >= bytesMax { try await flush() }
        }
    }

    private static let rowsAtATime = 64

    private func append(row: Int, of batch: Batch, to buffer: WireBuffer) {
        line.removeAll(keepingCapacity: true)
        for (index, column) in batch.columns.enumerated() {
            if index > 0 { line.append(format.delimiter) }
            let made = cells[index]
            let offset = made.offsets[row]
            let isForced = index < format.forceQuote.count && format.forceQuote[index]
            if made.isDirect {
                guard offset >= 0 else {
                    line.append(contentsOf: format.null)
                    continue
                }
                column.storage.pointer(StringView.self)[offset].withBytes {
                    append($0.assumingMemoryBound(to: UInt8.self), isForced: isForced)
                }
            } else {
                let cell = made.bytes + offset
                let length = Int(Int32(bigEndian: UnsafeRawPointer(cell).loadUnaligned(as: Int32.self)))
                guard length >= 0 else {
                    line.append(contentsOf: format.null)
                    continue
                }
                append(UnsafeBufferPointer(start: cell + ColumnCells.headBytes, count: length), isForced: isForced)
            }
        }
        line.append(10)
        buffer.copyData(line)
    }

    /// Appends a value that is not NULL.
    private func append(_ bytes: UnsafeBufferPointer<UInt8>, isForced: Bool) {
        guard format.kind == .csv else {
            for byte in bytes {
                let escape = escapes[Int(byte)]
                if escape != 0 {
                    line.append(92)
                    line.append(escape)
                } else {
                    line.append(byte)
                }
            }
            return
        }
        guard isForced || needsQuotes(bytes) else {
            line.append(contentsOf: bytes)
            return
        }
        line.append(format.quote)
        for byte in bytes {
            if byte == format.quote || byte == format.escape { line.append(format.escape) }
            line.append(byte)
        }
        line.append(format.quote)
    }

    private func needsQuotes(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        if bytes.elementsEqual(format.null) { return true }
        // The end marker of old, alone in its line.
        if fields.count == 1, bytes.count == 2, bytes[0] == 92, bytes[1] == 46 { return true }
        for byte in bytes where byte == format.delimiter || byte == format.quote || byte == 10 || byte == 13 {
            return true
        }
        return false
    }
}
