// The two ends of a stream as a handler sees them: plain blocking calls on a worker, with flow
// control behind them.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lockstep::rpc {

// Sends the messages of a server stream. Used by the handler's thread only.
template <typename Message>
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;

  // Queues one message; waits while the client is slow and the buffer (a few hundred KB) is full.
  // Errors: CANCELLED (CALL_CANCELLED) or DEADLINE_EXCEEDED (DEADLINE_PASSED): nobody reads any
  // more, return at once.
  [[nodiscard]] virtual absl::Status Write(Message message) = 0;
};

// Receives the messages of a client stream, each checked by ValidateRequest. Used by the handler's
// thread only.
template <typename Message>
class StreamReader {
 public:
  virtual ~StreamReader() = default;

  // The next message, or nullopt when the client has sent all. At most one message is read ahead,
  // so a slow handler slows the client down. Errors: CANCELLED, DEADLINE_EXCEEDED,
  // INVALID_ARGUMENT.
  [[nodiscard]] virtual absl::StatusOr<std::optional<Message>> Read() = 0;
};

}  // namespace lockstep::rpc
