// Repeatable definitions as messages.
#include <string>

#include "services/migration/api/convert.h"

namespace lockstep::migration {

v1::PlannedRepeatable ToProto(const PlannedRepeatable& planned) {
  v1::PlannedRepeatable message;
  message.set_service(planned.service);
  message.set_repeatable(planned.name);
  if (planned.repeatable != nullptr) message.set_file(planned.repeatable->script.file);
  message.set_action(std::string(ToText(planned.action)));
  message.set_checksum(planned.checksum);
  message.set_applied_checksum(planned.applied_checksum);
  for (const RepeatableObject& object : planned.objects) message.add_objects(object.identity);
  if (planned.action == RepeatableAction::kApply && planned.repeatable != nullptr) {
    message.set_sql(planned.repeatable->script.text);
  }
  return message;
}

}  // namespace lockstep::migration
