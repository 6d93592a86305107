// COPY ... TO 'path': the rows of a query into files of the server or of an object store.
import Access
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func copyOut(_ copy: CopyStatement, to path: String) async throws(SQLError) -> any ResultStream {
        try requireServerFiles(writing: true)
        let life = life()
        var bound = try await bind(Session.query(of: copy), [], life)
        guard bound.query.parameterTypes.isEmpty else {
            throw SQLError(.undefinedParameter, "there is no parameter $1")
        }
        var request = try request(copy, path, bound.columns.map { Field($0.name, $0.type) })
        if request.format == .parquet {
            bound.query = try Binder.stored(bound.query, context: life.context)
            request.fields = bound.columns.map { Field($0.name, $0.type) }
        }
        var table: TableName?
        if case .table(let name, _) = copy.subject { table = try await find(name)?.found.name }
        let progress = showCopy(table, isFrom: false, isFile: true)
        let rows = try await start(bound, [], life)
        let export: any FileExport
        do throws(SQLError) { export = try await engine.format.export(request) } catch {
            rows.cancel()
            throw error
        }
        var count = 0
        do throws(SQLError) {
            while let batch = try await rows.next() {
                try await export.append(batch)
                count += batch.rows
                progress.add(bytes: batch.columns.reduce(0) { $0 + $1.sizeBytes }, rows: batch.rows)
            }
            _ = try await rows.finish()
            try await export.finish()
        } catch {
            rows.cancel()
            await export.abandon()
            throw error
        }
        return done("COPY \(count)")
    }

    private func request(
        _ copy: CopyStatement, _ path: String, _ fields: [Field]
    ) throws(SQLError) -> ExportRequest {
        var given = copy.options
        if !given.hasFormat { given.format = Session.format(of: path) ?? given.format }
        guard let format = ExportRequest.Format(rawValue: given.format.rawValue) else {
            throw SQLError(
                .featureNotSupported, "COPY in format \(given.format.rawValue) to a file is not supported",
                hint: "Formats are parquet, csv, json and text.", position: copy.position)
        }
        var request = ExportRequest(path: path, format: format, fields: fields)
        request.options = given.others
        var names: Set<String> = []
        for field in fields where !names.insert(field.name).inserted {
            throw SQLError(
                .duplicateColumn, "column \"\(field.name)\" comes twice", hint: "Name the columns apart with AS.",
                position: copy.position)
        }
        for name in given.partitionBy {
            guard let place = fields.firstIndex(where: { $0.name == name.value }) else {
                throw SQLError(.undefinedColumn, "column \"\(name.value)\" does not exist", position: name.position)
            }
            guard !fields[place].type.isNested, !request.keys.contains(place) else {
                throw SQLError(
                    .invalidParameterValue, "column \"\(name.value)\" cannot be a partition key",
                    position: name.position)
            }
            request.keys.append(place)
        }
        switch format {
        case .text, .csv:
            let options = try options(given, fields)
            request.delimiter = options.delimiter
            request.quote = options.quote
            request.escape = options.escape
            request.null = options.null
            request.hasHeader = options.hasHeader
            request.forceQuote = options.forceQuote
        case .parquet, .json:
            guard given.delimiter == nil, given.quote == nil, given.escape == nil, given.null == nil, !given.hasHeader
            else {
                throw SQLError(
                    .syntaxError, "DELIMITER, NULL, HEADER, QUOTE and ESCAPE are options of text and CSV",
                    position: copy.position)
            }
        }
        return request
    }

    /// What a file's ending says.
    private static func format(of path: String) -> CopyStatement.Format? {
        var name = path.lowercased()
        for packing in [".gz", ".zst"] where name.hasSuffix(packing) { name.removeLast(packing.count) }
        if name.hasSuffix(".parquet") { return .parquet }
        if name.hasSuffix(".csv") { return .csv }
        return [".json", ".ndjson", ".jsonl"].contains { name.hasSuffix($0) } ? .json : nil
    }
}
