#include "common/maintenance/plumbing.h"

#include "common/outbox/inbox.h"
#include "common/outbox/outbox.h"
#include "common/request_id/request_id.h"

namespace lockstep::maintenance {
namespace {

constexpr absl::Duration kKeepDelivered = absl::Hours(24 * 30);
constexpr absl::Duration kKeepApplied = absl::Hours(24 * 90);

}  // namespace

std::vector<Task> PurgePlumbing(pg::Pool& pool, const PlumbingTables& tables) {
  return {{.name = "purge_request_results",
           .run =
               [&pool, table = tables.request_results](const Context& context) {
                 return request_id::PurgeExpired(pool, context, table);
               }},
          {.name = "purge_outbox",
           .run =
               [&pool, table = tables.outbox](const Context& context) {
                 return outbox::PurgeDelivered(pool, context, table, kKeepDelivered);
               }},
          {.name = "purge_inbox", .run = [&pool, table = tables.inbox](const Context& context) {
             return outbox::PurgeApplied(pool, context, table, kKeepApplied);
           }}};
}

}  // namespace lockstep::maintenance
