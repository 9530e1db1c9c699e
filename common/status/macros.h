// RETURN_IF_ERROR and ASSIGN_OR_RETURN for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define LOCKSTEP_CONCAT_INNER_(a, b) a##b
#define LOCKSTEP_CONCAT_(a, b) LOCKSTEP_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                                                                    \
  do {                                                                                           \
    if (absl::Status lockstep_status_ = (expr); !lockstep_status_.ok()) return lockstep_status_; \
  } while (false)

// Evaluates `expr`, an absl::StatusOr<T>; returns its status when not OK, else moves the value into
// `lhs`. Commas inside `expr` are fine; `lhs` may declare a variable.
#define ASSIGN_OR_RETURN(lhs, ...) \
  ASSIGN_OR_RETURN_IMPL_(LOCKSTEP_CONCAT_(lockstep_status_or_, __LINE__), lhs, __VA_ARGS__)
#define ASSIGN_OR_RETURN_IMPL_(temp, lhs, ...) \
  auto temp = (__VA_ARGS__);                   \
  if (!temp.ok()) return temp.status();        \
  lhs = std::move(temp).value()
