// revision.textproto and releases.textproto: text to values, every field checked, every finding
// with its line.
//
// Only what can be told from one file is checked here; the graph over all of them is checked by
// definition_checks.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// The lines on which the fields of a text message stand.
class FieldLines {
 public:
  FieldLines();
  ~FieldLines();
  FieldLines(FieldLines&&) noexcept;
  FieldLines& operator=(FieldLines&&) noexcept;

  // 1-based line of a field of the message, or of one element of a repeated field; 1 when it is not
  // there.
  int Line(const char* field, int index = -1) const;
  // The same for a field of the element `index` of the repeated message `outer`.
  int Line(const char* outer, int outer_index, const char* field, int index = -1) const;

 private:
  friend struct SpecParser;
  struct Info;
  std::unique_ptr<Info> info_;
};

// The files of one step, relative to the revision's folder. `expect` is "" when there is none.
struct StepFiles {
  std::string up;
  std::string down;
  std::string expect;
  std::string copy;  // "" when there is none
  // Of a backfill.
  bool up_is_made = false;           // it declares columns: there is no up file
  bool down_may_be_missing = false;  // no down file is named
  int line = 1;                      // of the step in revision.textproto
};

struct RevisionDraft {
  Revision revision;             // without scripts and checksums; ids of other revisions as written
  std::vector<StepFiles> files;  // one for each step
  FieldLines lines;
  std::string file;          // "<service>/<folder>/revision.textproto"
  bool is_readable = false;  // false: the text is not a RevisionSpec and the rest is empty
};

struct ReleasesDraft {
  std::vector<Release> releases;  // ids as written
  FieldLines lines;
  std::string file;
};

// Reads revision.textproto. `folder` is relative to the migrations folder and names service and id.
RevisionDraft ReadRevisionSpec(const std::string& folder, const std::string& text,
                               std::vector<Problem>& problems);

ReleasesDraft ReadReleases(const std::string& file, const std::string& text,
                           std::vector<Problem>& problems);

}  // namespace lockstep::migration
