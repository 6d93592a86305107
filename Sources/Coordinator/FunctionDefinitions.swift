// CREATE FUNCTION ... LANGUAGE sql, and DROP FUNCTION. Bodies are text: they are bound where the function is called.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func createFunction(_ create: ObjectStatement.CreateFunction) async throws(SQLError) -> any ResultStream {
        let word = create.isProcedure ? "PROCEDURE" : "FUNCTION"
        let definition = try definition(of: create)
        _ = try await usableTypes(
            in: (create.parameters + create.columns).map(\.type) + (create.returns.map { [$0] } ?? []))
        let place = try await newPlace(create.name)
        let key = TableName.object(.function, schema: place.name.schema, name: place.name.name)
        var all: [FunctionDefinition] = []
        if case .object(.functions(let known))? = try await entry(at: NewPlace(name: key, branch: place.branch)) {
            all = known
        }
        var replaced: FunctionDefinition?
        let types = try Session.types(of: definition)
        for (index, known) in all.enumerated() where try Session.types(of: known) == types {
            guard create.orReplace else {
                throw SQLError(
                    SQLState("42723"),
                    "function \"\(create.name.last)\" already exists with same argument types",
                    position: create.name.position)
            }
            guard known.isProcedure == definition.isProcedure else {
                throw SQLError(.wrongObjectType, "cannot change routine kind", position: create.name.position)
            }
            guard known.returnType == definition.returnType, known.isSet == definition.isSet else {
                throw SQLError(
                    SQLState("42P13"), "cannot change return type of existing function",
                    hint: "Use DROP FUNCTION \(create.name.text) first.", position: create.name.position)
            }
            try accessGuard?.requireOwner(AccessGuard.secured(known, key.schema, key.objectName))
            replaced = known
            all.remove(at: index)
            break
        }
        var made = definition
        made.owner = replaced == nil ? newOwner : replaced?.owner
        all.append(made)
        let functions = all
        try record(key, place.branch) { $0.put(key, .object(.functions(functions))) }
        if replaced == nil {
            try await grantDefaults(AccessGuard.secured(made, key.schema, key.objectName).object)
        }
        return done("CREATE \(word)")
    }

    private static func types(of definition: FunctionDefinition) throws(SQLError) -> [String] {
        definition.parameters.map { $0.type.lowercased() }
    }

    private func definition(of create: ObjectStatement.CreateFunction) throws(SQLError) -> FunctionDefinition {
        let at = create.name.position
        switch create.language {
        case "sql": break
        case "" where create.body != nil && create.returns == nil && create.columns.isEmpty: break
        case "":
            throw SQLError(SQLState("42P13"), "no language specified", position: at)
        case "plpgsql", "c", "internal":
            throw SQLError(
                .featureNotSupported, "functions in language \"\(create.language)\" are not supported",
                hint: "Write it in LANGUAGE sql.", position: at)
        default:
            throw SQLError(
                .undefinedObject, "language \"\(create.language)\" does not exist", position: at)
        }
        guard let body = create.body else {
            throw SQLError(SQLState("42P13"), "no function body specified", position: at)
        }
        var inputs: [FunctionDefinition.Parameter] = []
        var outputs: [FunctionDefinition.Parameter] = []
        for parameter in create.parameters {
            let type = try Session.canonical(parameter.type, parameter.typeText)
            let one = FunctionDefinition.Parameter(
                name: parameter.name?.value ?? "", type: type, defaultValue: parameter.defaultValue)
            if parameter.mode != .output { inputs.append(one) }
            if parameter.mode != .input { outputs.append(one) }
        }
        for (index, parameter) in inputs.enumerated() where !parameter.name.isEmpty {
            guard !inputs[..<index].contains(where: { $0.name == parameter.name }) else {
                throw SQLError(
                    SQLState("42P13"), "parameter name \"\(parameter.name)\" used more than once", position: at)
            }
        }
        for column in create.columns {
            outputs.append(
                FunctionDefinition.Parameter(
                    name: column.name?.value ?? "", type: try Session.canonical(column.type, column.typeText)))
        }
        var returns = try create.returns.map { (type) throws(SQLError) in
            try Session.canonical(type, create.returnsText ?? type.name)
        }
        if returns == nil, outputs.count == 1, create.columns.isEmpty { returns = outputs[0].type }
        if returns == nil, outputs.isEmpty, !create.isProcedure {
            throw SQLError(SQLState("42P13"), "function result type must be specified", position: at)
        }
        do throws(SQLError) { _ = try Parser.parse(body) } catch { throw error.at(nil) }
        return FunctionDefinition(
            parameters: inputs, returnType: returns,
            columns: outputs.count > 1 || !create.columns.isEmpty ? outputs : [],
            isSet: create.isSet, isStrict: create.isStrict, isProcedure: create.isProcedure, body: body,
            searchPath: settings.searchPath)
    }

    /// A type as format_type prints it; polymorphic ones, void and record as they are, names of tables too.
    private static func canonical(_ type: TypeName, _ text: String) throws(SQLError) -> String {
        if Session.pseudoTypes.contains(type.name) { return type.name }
        guard let known = try? TypeNames.type(type) else {
            let isPlain = type.modifiers.isEmpty && type.arrayDimensions == 0
            guard isPlain else { return try TypeNames.type(type).name }
            return text
        }
        return known.name
    }

    static let pseudoTypes: Set<String> = ["void", "record", "anyelement", "anyarray", "anynonarray"]

    func dropFunction(
        _ kind: ObjectStatement.Kind, _ dropped: ObjectStatement.Dropped, _ ifExists: Bool,
        _ isCascade: Bool
    ) async throws(SQLError) {
        let name = dropped.name
        let found: (name: TableName, all: [FunctionDefinition], function: FunctionDefinition, branch: String?)
        do throws(SQLError) {
            found = try await routine(kind, dropped)
        } catch {
            guard ifExists, error.state == .undefinedFunction else { throw error }
            let types = dropped.arguments?.map { (try? TypeNames.type($0).name) ?? $0.name } ?? []
            return try missing(
                "\(kind.rawValue) \(name.text)(\(types.joined(separator: ",")))", .undefinedFunction, true,
                name.position)
        }
        let key = found.name
        let secured = AccessGuard.secured(found.function, key.schema, key.objectName)
        let branch = try await requireBranch(.named(found.branch ?? branch))
        try accessGuard?.requireOwner(secured, orSchema: try await schema(key.schema, on: branch))
        try await dropDependents(
            of: [.function(key, Dependencies.signature(found.function))], on: branch, isCascade: isCascade,
            at: name.position)
        let left = found.all.filter { $0 != found.function }
        try record(key, branch) {
            if left.isEmpty { $0.drop(key) } else { $0.put(key, .object(.functions(left))) }
        }
    }
}
