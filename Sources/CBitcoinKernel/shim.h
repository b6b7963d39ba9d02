#pragma once
#include <bitcoinkernel.h>
