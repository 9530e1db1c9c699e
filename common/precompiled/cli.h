// The same for the `lockstep` command, each file of which reads its arguments and protos.
#pragma once

#include "CLI/CLI.hpp"
#include "common/precompiled/ours.h"
#include "google/protobuf/message.h"
