import { keeping } from './keeper.ts';
import { serve } from './worker.ts';

serve(keeping());
