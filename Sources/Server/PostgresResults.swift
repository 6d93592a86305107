// Results on their way out: batches to rows, piece by piece as the client reads them.
import Columns
import Coordinator
import Diagnostics
import NIOCore
import PostgresWire

extension PostgresConnection {
    /// Runs the statements of a simple Query.
    func query(_ sql: String, _ session: any SQLSession) async throws {
        let statements = try await session.query(sql)
        while let stream = try await statements.next() {
            var portal = Portal(formats: stream.isBinary ? [.binary] : [], sql: sql, stream: stream)
            do {
                if let fetch = stream as? PortalFetch {
                    if !fetch.isMove, let columns = fetch.columns { out.rowDescription(columns.map(RowField.init)) }
                    try await self.fetch(fetch, formats: [], session)
                } else if try await !copied(stream, session) {
                    if let columns = stream.columns {
                        out.rowDescription(columns.map(RowField.init), formats: portal.formats)
                    }
                    _ = try await send(stream, &portal, rowsMax: nil)
                }
            } catch {
                stream.cancel()
                throw error
            }
        }
    }

    /// Runs a portal up to a number of rows.
    func execute(_ name: String, rowsMax: Int?, _ session: any SQLSession) async throws {
        var portal = portals[name] ?? Portal(formats: [])
        if portal.isDone {
            // A finished query has no more rows; what changed something must not run twice.
            guard portal.encoder != nil else {
                throw SQLError(SQLState("55000"), "portal \"\(name)\" cannot be run")
            }
            return out.commandComplete("SELECT 0")
        }
        let stream: any ResultStream
        if let suspended = portal.stream {
            await session.resume(name)
            stream = suspended
        } else {
            stream = try await session.execute(name)
        }
        portal.stream = stream
        do {
            if let fetch = stream as? PortalFetch {
                try await self.fetch(fetch, formats: portal.formats, session)
                portal.isDone = true
                portal.stream = nil
                portals[name] = portal
                return
            }
            if try await copied(stream, session) {
                portal.isDone = true
                portal.stream = nil
                portals[name] = portal
                return
            }
            let isDone = try await send(stream, &portal, rowsMax: rowsMax)
            portal.isDone = isDone
            if isDone { portal.stream = nil }
            portals[name] = portal
        } catch {
            stream.cancel()
            portals[name]?.stream = nil
            throw error
        }
    }

    /// FETCH and MOVE over a portal: gives away the rows that its next Execute would send.
    private func fetch(
        _ fetch: PortalFetch, formats: [ValueFormat], _ session: any SQLSession
    ) async throws {
        var portal = portals[fetch.portal] ?? Portal(formats: [])
        var rows = 0
        if !portal.isDone {
            let stream: any ResultStream
            if let suspended = portal.stream {
                stream = suspended
            } else {
                stream = try await session.execute(fetch.portal)
            }
            let fields = (stream.columns ?? []).map(RowField.init)
            let source =
                try portal.encoder
                ?? RowEncoder(fields, formats: portal.formats, zone: stream.timeZone, names: stream.names)
            let target = try RowEncoder(fields, formats: formats, zone: stream.timeZone, names: stream.names)
            (portal.stream, portal.encoder) = (stream, source)
            portals[fetch.portal] = portal
            let rowsMax = fetch.rowsMax ?? Int.max
            while rows < rowsMax {
                if source.rowsLeft == 0 {
                    guard let batch = try await stream.next() else {
                        _ = try await stream.finish()
                        portals[fetch.portal]?.isDone = true
                        portals[fetch.portal]?.stream = nil
                        break
                    }
                    if batch.rows > 0 { try source.begin(batch) }
                    continue
                }
                if fetch.isMove {
                    rows += source.skip(rowsMax - rows)
                } else if let part = source.take(rowsMax - rows) {
                    rows += part.rows
                    try target.begin(part)
                    while target.rowsLeft > 0 {
                        _ = try target.encode(into: out, rowsMax: Int.max, bytesMax: PostgresConnection.flushBytes)
                        if out.count >= PostgresConnection.flushBytes { try await flush() }
                    }
                }
            }
        }
        complete(try await fetch.finish(), rows: rows)
    }

    /// Sends rows and CommandComplete, or PortalSuspended when the limit comes first; returns whether the stream ended.
    private func send(_ stream: any ResultStream, _ portal: inout Portal, rowsMax: Int?) async throws -> Bool {
        var rows = 0
        if let columns = stream.columns {
            let encoder: RowEncoder
            if let suspended = portal.encoder {
                encoder = suspended
            } else {
                encoder = try RowEncoder(
                    columns.map(RowField.init), formats: portal.formats, zone: stream.timeZone, names: stream.names)
                portal.encoder = encoder
            }
            while true {
                while encoder.rowsLeft > 0 {
                    let limit = rowsMax.map { $0 - rows } ?? Int.max
                    guard limit > 0 else { break }
                    rows += try encoder.encode(into: out, rowsMax: limit, bytesMax: PostgresConnection.flushBytes)
                    if out.count >= PostgresConnection.flushBytes { try await flush() }
                }
                if let rowsMax, rows >= rowsMax {
                    shared.metrics.rowsSent.increase(by: rows)
                    out.portalSuspended()
                    return false
                }
                guard let batch = try await stream.next() else { break }
                if batch.rows > 0 { try encoder.begin(batch) }
            }
        } else {
            // Nothing to send, but a statement may do its work while it is asked for rows.
            while try await stream.next() != nil {}
        }
        shared.metrics.rowsSent.increase(by: rows)
        complete(try await stream.finish(), rows: rows)
        return true
    }

    func complete(_ outcome: StatementOutcome, rows: Int) {
        shared.metrics.statements.increase()
        for notice in outcome.notices { out.noticeResponse(notice.content, severity: notice.severity.rawValue) }
        switch outcome.tag {
        case .rows(let word): out.commandComplete("\(word) \(rows)")
        case .done(let tag): out.commandComplete(tag)
        case .empty: out.emptyQueryResponse()
        }
        // PostgreSQL tells of settings when the cycle ends.
        parameterChanges += outcome.parameterChanges
    }
}
