#include "services/migration/footprint/footprint.h"

#include <utility>

#include "services/migration/footprint/literal_uses.h"
#include "services/migration/footprint/literals.h"

namespace lockstep::migration::footprint {
namespace {

Problem ToProblem(const Definitions& definitions, const Catalog& catalog, const Finding& finding) {
  Problem problem;
  const auto dropped = catalog.dropped.find(finding.name);
  const std::string past =
      dropped == catalog.dropped.end()
          ? "no revision makes it"
          : "revision " + definitions.revisions[dropped->second].id + " dropped or renamed it";
  switch (finding.kind) {
    case Finding::Kind::kRelationUnknown:
      problem.code = "RELATION_UNKNOWN";
      problem.message = finding.name +
                        " does not exist at the heads of the migrations folder: " + past +
                        "; correct the name, or add the revision first";
      break;
    case Finding::Kind::kColumnUnknown:
      problem.code = "COLUMN_UNKNOWN";
      problem.message = finding.name +
                        " is no column at the heads of the migrations folder: " + past +
                        "; correct the name, or add the revision first";
      break;
    case Finding::Kind::kNameComposed:
      problem.code = "NAME_COMPOSED";
      problem.message = "a relation of \"" + finding.name +
                        "\" whose name is added at run time cannot be seen; write schema.relation "
                        "in one literal, for example as a pg::TableName";
      break;
  }
  return problem;
}

}  // namespace

std::set<std::string, std::less<>> Footprint::Names() const {
  std::set<std::string, std::less<>> names;
  for (const auto& [relation, columns] : relations) {
    names.insert(relation);
    for (const std::string& column : columns) names.insert(relation + "." + column);
  }
  return names;
}

Footprint ReadFootprint(const Definitions& definitions, const Catalog& catalog,
                        const std::vector<Source>& sources, std::vector<Problem>& problems) {
  std::set<std::string> names;
  std::set<std::string> relations;
  std::set<std::string> whole_relations;
  bool has_open_star = false;
  for (const Source& source : sources) {
    for (const Literal& literal : ReadLiterals(source.text)) {
      LiteralUses uses = ReadUses(catalog, literal.text);
      names.merge(uses.names);
      relations.merge(uses.relations);
      whole_relations.merge(uses.whole_relations);
      has_open_star = has_open_star || uses.has_open_star;
      for (const Finding& finding : uses.findings) {
        Problem problem = ToProblem(definitions, catalog, finding);
        problem.file = source.file;
        problem.line = literal.LineAt(finding.offset);
        problems.push_back(std::move(problem));
      }
    }
  }
  SortProblems(problems);
  Footprint footprint;
  for (const std::string& name : relations) {
    const bool is_whole = has_open_star || whole_relations.contains(name);
    std::set<std::string>& used = footprint.relations[name];
    for (const auto& [column, introduced] : catalog.relations.at(name).columns) {
      if (is_whole || names.contains(column)) used.insert(column);
    }
  }
  return footprint;
}

}  // namespace lockstep::migration::footprint
