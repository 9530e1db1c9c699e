// How a process of a service is called, in the registry and by PostgreSQL.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::revision_gate {

// A new id for this process: service, host, process id and start time; unique while the process
// lives, readable in a list, at most 100 characters.
[[nodiscard]] std::string NewInstanceId(std::string_view service);

// What tells the sessions of an instance from those of others: the first 12 lower-case hexadecimal
// digits of the SHA-256 of its id. Pure.
[[nodiscard]] std::string InstanceTag(std::string_view instance_id);

// The application_name of an instance's connections: "<program> <tag>", the tag as the last word,
// at most 63 bytes (PostgreSQL cuts longer ones off at the end, where the tag is). `program` may
// carry a suffix that says what the connections are for: "lockstep-orders-outbox". Pure.
[[nodiscard]] std::string SessionName(std::string_view program, std::string_view instance_id);

}  // namespace lockstep::revision_gate
