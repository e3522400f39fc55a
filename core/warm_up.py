"""Work that can be done while torch is being imported. Imports no torch."""

from core.fashion_mnist import warm_up as warm_up
