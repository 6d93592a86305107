// COPY over a connection: rows out as CopyData, and CopyData in until the client says that it is done.
import Columns
import Coordinator
import Diagnostics
import Glibc
import PostgresWire

extension PostgresConnection {
    /// Carries a statement out when it is a COPY; false when it is not.
    func copied(_ stream: any ResultStream, _ session: any SQLSession) async throws -> Bool {
        if let input = stream as? any CopyInput {
            try await copyIn(input)
            return true
        }
        guard let options = stream.copyOut, let columns = stream.columns else { return false }
        try await copyOut(stream, columns.map(RowField.init), CopyFormat(options))
        return true
    }

    private func copyOut(_ stream: any ResultStream, _ fields: [RowField], _ format: CopyFormat) async throws {
        let encoder = try CopyEncoder(fields, format, zone: stream.timeZone, names: stream.names)
        out.copyOutResponse(format.kind, columns: fields.count)
        encoder.begin(into: out)
        var rows = 0
        while let batch = try await stream.next() {
            guard batch.rows > 0 else { continue }
            try await encoder.encode(batch, into: out, bytesMax: PostgresConnection.flushBytes) { try await flush() }
            rows += batch.rows
            stream.copyProgress?.add(bytes: batch.columns.reduce(0) { $0 + $1.sizeBytes }, rows: batch.rows)
        }
        encoder.end(into: out)
        out.copyDone()
        shared.metrics.rowsSent.increase(by: rows)
        complete(try await stream.finish(), rows: rows)
    }

    /// COPY FROM 'file': the rows of a file here.
    private func copyFile(_ path: String, _ stream: any CopyInput, _ format: CopyFormat) async throws {
        let decoder = CopyDecoder(stream.fields, format, table: stream.table, context: stream.parsing)
        guard path.hasPrefix("/") else {
            throw SQLError(.invalidName, "relative path not allowed for COPY from file")
        }
        let file = try LocalRows(path)
        stream.copyProgress?.set(total: file.sizeBytes)
        while let bytes = try file.read() {
            decoder.append(bytes)
            stream.copyProgress?.add(bytes: bytes.count, rows: 0)
            while let batch = try decoder.next(isLast: false) { try await push(batch, stream) }
        }
        while let batch = try decoder.next(isLast: true) { try await push(batch, stream) }
        complete(try await stream.finish(), rows: 0)
    }

    private func push(_ batch: Batch, _ stream: any CopyInput) async throws {
        stream.copyProgress?.add(bytes: 0, rows: batch.rows)
        try await stream.push(batch)
    }

    private func copyIn(_ stream: any CopyInput) async throws {
        let format = CopyFormat(stream.options)
        if let path = stream.path { return try await copyFile(path, stream, format) }
        out.copyInResponse(format.kind, columns: stream.fields.count)
        try await flush()
        let decoder = CopyDecoder(stream.fields, format, table: stream.table, context: stream.parsing)
        while true {
            guard let frame = try framing.nextFrame() else {
                guard try await receive() else {
                    throw SQLError(.connectionFailure, "unexpected EOF on client connection during COPY from stdin")
                }
                continue
            }
            switch try FrontendMessage(frame) {
            case .copyData(let bytes):
                decoder.append(bytes)
                stream.copyProgress?.add(bytes: bytes.count, rows: 0)
                while let batch = try decoder.next(isLast: false) { try await push(batch, stream) }
            case .copyDone:
                while let batch = try decoder.next(isLast: true) { try await push(batch, stream) }
                return complete(try await stream.finish(), rows: 0)
            case .copyFail(let reason):
                throw SQLError(.queryCanceled, "COPY from stdin failed: \(reason)")
            case .flush, .sync:
                // A driver that sent Sync behind Execute did not know of the COPY yet.
                continue
            case .query, .parse, .bind, .describe, .execute, .close, .terminate, .password:
                throw SQLError(
                    .protocolViolation, "unexpected message type \(frame.kind) during COPY from stdin")
            }
        }
    }
}

extension CopyFormat {
    init(_ options: CopyOptions) {
        let kind: Kind =
            switch options.format {
            case .text: .text
            case .csv: .csv
            case .binary: .binary
            }
        self.init(
            kind: kind, delimiter: options.delimiter, null: Array(options.null.utf8), hasHeader: options.hasHeader,
            matchesHeader: options.matchesHeader, quote: options.quote, escape: options.escape,
            forceQuote: options.forceQuote, forceNotNull: options.forceNotNull, forceNull: options.forceNull)
    }
}

/// A file read from its begin to its end.
private final class LocalRows {
    private let handle: UnsafeMutablePointer<FILE>
    let sizeBytes: Int64
    private static let partBytes = 1 << 20

    init(_ path: String) throws(SQLError) {
        guard let handle = fopen(path, "rb") else {
            let state: SQLState = errno == ENOENT ? SQLState("58P01") : .ioError
            throw SQLError(
                state, "could not open file \"\(path)\" for reading: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard fstat(fileno(handle), &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            fclose(handle)
            throw SQLError(.wrongObjectType, "\"\(path)\" is not a file")
        }
        self.handle = handle
        sizeBytes = Int64(status.st_size)
    }

    deinit { fclose(handle) }

    /// nil at the end.
    func read() throws(SQLError) -> ArraySlice<UInt8>? {
        var bytes = [UInt8](repeating: 0, count: LocalRows.partBytes)
        let count = fread(&bytes, 1, bytes.count, handle)
        guard ferror(handle) == 0 else { throw SQLError(.ioError, "could not read the file") }
        return count == 0 ? nil : bytes[0..<count]
    }
}
