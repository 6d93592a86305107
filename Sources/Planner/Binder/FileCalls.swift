// read_parquet(...) as written to the paths and options that the snapshot keys it by.
import Columns
import Diagnostics
import Syntax

/// Reads the arguments of table functions over files: constants only, because the files are opened before binding.
enum FileCalls {
    /// Paths of one call.
    static let pathsMax = 100_000

    /// What functions under several names are called.
    private static let canonical = [
        "iceberg_scan": "iceberg_scan", "read_csv": "read_csv", "read_csv_auto": "read_csv", "read_json": "read_json",
        "read_json_auto": "read_json", "read_ndjson": "read_ndjson", "read_ndjson_auto": "read_ndjson",
    ]

    /// Returns the call's key.
    static func call(
        _ call: FunctionCall, _ position: Int, _ context: PlanContext
    ) throws(SQLError) -> CatalogSnapshot.FileCall {
        if QueryNames.isLakeFunction(call.name) { return try lakeCall(call) }
        let name = canonical[call.name.last] ?? "read_parquet"
        guard let first = call.arguments.first, first.name == nil else {
            throw SQLError(
                .undefinedFunction, "\(call.name.last) needs a path or a list of paths as its first argument",
                position: position)
        }
        var options: [String: Scalar] = [:]
        for argument in call.arguments.dropFirst() {
            let (option, value) = try option(argument)
            let key = option.value.lowercased()
            guard options.updateValue(try constant(value), forKey: key) == nil else {
                throw SQLError(
                    .syntaxError, "option \"\(key)\" is given more than once", position: option.position)
            }
        }
        return CatalogSnapshot.FileCall(function: name, paths: try paths(first.value), options: options)
    }

    /// `apus.log('dev', 10)`: its arguments as text.
    private static func lakeCall(_ call: FunctionCall) throws(SQLError) -> CatalogSnapshot.FileCall {
        var arguments: [String] = []
        for argument in call.arguments {
            guard argument.name == nil else {
                throw SQLError(
                    .featureNotSupported, "arguments of \(call.name.text) have no names",
                    position: argument.value.position)
            }
            switch argument.value.node {
            case .string(let text), .integer(let text): arguments.append(text)
            default: throw notConstant(argument.value)
            }
        }
        return CatalogSnapshot.FileCall(function: call.name.text, paths: arguments)
    }

    /// `name => value`, or DuckDB's `name = value`.
    private static func option(
        _ argument: FunctionCall.Argument
    ) throws(SQLError) -> (name: Identifier, value: Expression) {
        if let name = argument.name { return (name, argument.value) }
        if case .binary("=", let left, let right) = argument.value.node, case .column(let name) = left.node,
            name.parts.count == 1, let option = name.parts.first
        {
            return (option, right)
        }
        throw SQLError(
            .syntaxError, "options are given as name => value", position: argument.value.position)
    }

    private static func paths(_ value: Expression) throws(SQLError) -> [String] {
        switch value.node {
        case .string(let path): return [path]
        case .array(let items), .row(let items):
            guard !items.isEmpty, items.count <= pathsMax else {
                throw SQLError(
                    .invalidParameterValue, "a list of paths must have between 1 and \(pathsMax) paths",
                    position: value.position)
            }
            var all: [String] = []
            for item in items {
                guard case .string(let path) = item.node else { throw notConstant(item) }
                all.append(path)
            }
            return all
        default: throw notConstant(value)
        }
    }

    private static func constant(_ value: Expression) throws(SQLError) -> Scalar {
        switch value.node {
        case .boolean(let flag): return .boolean(flag)
        case .string(let text): return .text(text)
        case .null: return .null(.unknown)
        case .integer(let digits):
            guard let number = Int64(digits) else { throw notConstant(value) }
            return .int8(number)
        case .column(let name) where name.parts.count == 1: return .text(name.last)
        case .unary("-", let operand):
            guard case .int(let number) = try constant(operand).value else { throw notConstant(value) }
            return .int8(-number)
        case .array(let items):
            var texts: [Scalar] = []
            for item in items {
                guard case .string = try constant(item).value else { throw notConstant(item) }
                texts.append(try constant(item))
            }
            return Scalar(.array(.text), .array(texts))
        case .call(let call) where call.name.last == "struct_pack": return try types(call)
        default: throw notConstant(value)
        }
    }

    /// `{'a': 'INTEGER', b: date}`: a NULL whose type is the struct.
    private static func types(_ call: FunctionCall) throws(SQLError) -> Scalar {
        var fields: [StructField] = []
        for argument in call.arguments {
            guard let name = argument.name, case .string(let text) = try constant(argument.value).value else {
                throw notConstant(argument.value)
            }
            do throws(SQLError) {
                fields.append(StructField(name.value, try TypeNames.type(try Parser.parseType(text))))
            } catch {
                throw error.at(argument.value.position)
            }
        }
        return .null(.row(fields))
    }

    private static func notConstant(_ value: Expression) -> SQLError {
        SQLError(
            .featureNotSupported, "arguments of this function must be constants",
            position: value.position)
    }
}
