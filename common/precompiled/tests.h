// The same for tests.
#pragma once

#include "common/precompiled/ours.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
